"""Signatures: lists of genes whose mean says where a tissue or a programme is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.characterise.expression import log_expression
from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import guess_species, reconcile_genes

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "signatures" / "human.gmt"
LARGEST_FILE = 16 * 2**20
FEWEST_GENES = 3


@dataclass(frozen=True)
class Signature:
    """A named list of genes and where it comes from."""

    name: str
    source: str
    genes: tuple[str, ...]


@dataclass(frozen=True)
class SignatureScores:
    """Scores of tiles.

    Attributes
    ----------
    scores : float, (n, signatures)
        Mean z-score of the genes; NaN where a tile has no expression.
    error : float, (n, signatures)
        Standard error of that mean over the genes of the list: times 1.96, its 95 % interval.
    table : pandas.DataFrame
        One row a signature: ``signature, n_genes, n_used, share_used, genes_used, source, note``.
    """

    scores: NDArray[np.float64]
    error: NDArray[np.float64]
    table: pd.DataFrame


def read_gmt(path: Path = SHIPPED) -> list[Signature]:
    """Read signatures from a GMT file: a line each of name, source and genes, parted by tabs.

    Raises
    ------
    MeasurementError
        The file cannot be read, is no GMT, or names a signature twice.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise MeasurementError(f"{path.name}: larger than 16 MB, so no list of signatures.")
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise MeasurementError(f"{path.name}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise MeasurementError(f"{path.name}: is no text file, so no GMT.") from error
    signatures: dict[str, Signature] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        genes = tuple(dict.fromkeys(cell for cell in cells[2:] if cell))
        if not cells[0] or not genes:
            raise MeasurementError(
                f"{path.name}, line {number}: expected a name, a source and genes, parted by tabs."
            )
        if cells[0] in signatures:
            raise MeasurementError(f"{path.name}, line {number}: '{cells[0]}' is there twice.")
        signatures[cells[0]] = Signature(cells[0], cells[1], genes)
    if not signatures:
        raise MeasurementError(f"{path.name}: holds no signature.")
    return list(signatures.values())


def score_signatures(
    table: AnnData, signatures: list[Signature], *, reliable_only: bool = True
) -> SignatureScores:
    """Score tiles by the mean z-score of each signature's genes over the section.

    A score compares tiles of one section; it is no amount, and does not compare sections. A
    signature with fewer than three usable genes is not scored. Former symbols are found by the
    gene reference.

    Parameters
    ----------
    table : AnnData
        Tiles x genes, as for `find_domains`.
    signatures : list of Signature
    reliable_only : bool
        Use only genes with ``var["reliable"]``, where the table has that column.
    """
    expression, names = log_expression(table)
    species = guess_species(list(names))
    column = {gene: i for i, gene in enumerate(_current(names, species))}
    spread = np.asarray(np.nanstd(expression, axis=0, dtype=np.float64))
    usable = spread > 0
    if reliable_only and "reliable" in table.var:
        usable &= table.var.loc[names, "reliable"].to_numpy(bool)
    mean = np.asarray(np.nanmean(expression, axis=0, dtype=np.float64))
    scores = np.full((len(expression), len(signatures)), np.nan)
    error = np.full(scores.shape, np.nan)
    rows = []
    for number, signature in enumerate(signatures):
        current = dict.fromkeys(_current(signature.genes, species))
        known = [column[gene] for gene in current if gene in column]
        used = [i for i in known if usable[i]]
        note = ""
        if len(used) >= FEWEST_GENES:
            z = (expression[:, used].astype(np.float64) - mean[used]) / spread[used]
            scores[:, number] = z.mean(1)
            error[:, number] = z.std(1, ddof=1) / np.sqrt(len(used))
            if len(used) < len(signature.genes) / 2:
                note = "rests on less than half of its genes"
        else:
            note = (
                f"not scored: {len(used)} of {len(signature.genes)} genes can be used "
                f"({len(known)} are predicted)"
            )
        rows.append(
            {
                "signature": signature.name,
                "n_genes": len(signature.genes),
                "n_used": len(used),
                "share_used": len(used) / len(signature.genes),
                "genes_used": " ".join(names[used]),
                "source": signature.source,
                "note": note,
            }
        )
    return SignatureScores(scores, error, pd.DataFrame(rows))


def _current(names: Iterable[str], species: str) -> list[str]:
    """Current symbols; a name that the reference does not know stays as it is."""
    names = [str(name) for name in names]
    found = reconcile_genes(names, species)["gene"]
    return [new or old for old, new in zip(names, found, strict=True)]
