"""Signatures: published lists of genes, scored by their mean expression."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import stats

from histospace_core.characterise.expression import log_expression
from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import guess_species, reconcile_genes
from histospace_core.shipped import SHIPPED

HUMAN_GMT = SHIPPED / "data" / "signatures" / "human.gmt"
LARGEST_FILE = 16 * 2**20
FEWEST_GENES = 3
"""A signature with fewer usable genes is not scored."""


@dataclass(frozen=True)
class Signature:
    """A named list of genes and its source."""

    name: str
    source: str
    genes: tuple[str, ...]


@dataclass(frozen=True)
class SignatureScores:
    """Scores of tiles by signatures.

    Attributes
    ----------
    scores : float, (n, signatures)
        Mean z-score of the genes; NaN for a tile without expression.
    half_width : float, (n, signatures)
        Half the 95 % interval of that mean over the genes of the list (Student's t). It shows how
        well the genes agree in a tile. Genes are not independent, so it is not the error of the
        prediction.
    table : pandas.DataFrame
        One row per signature: ``signature, n_genes, n_known, n_used, share_used, share_reliable,
        mean_gene_pearson, genes_used, source, note``. Of the `n_genes` listed, `n_known` are in the
        table of tiles; `share_reliable` of those are reliable; `mean_gene_pearson` is the mean
        held-out correlation of the `n_used` genes, NaN for measured expression.
    """

    scores: NDArray[np.float64]
    half_width: NDArray[np.float64]
    table: pd.DataFrame


def read_gmt(path: Path = HUMAN_GMT) -> list[Signature]:
    """Read signatures from a GMT file: one per line, with name, source and genes between tabs.

    Raises
    ------
    MeasurementError
        The file cannot be read, is not GMT, or has two signatures with the same name.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)  # one byte more, for `parse_gmt` to refuse
    except OSError as error:
        raise MeasurementError(f"cannot be read ({error.strerror}).", path=path) from error
    return parse_gmt(path.name, content)


def parse_gmt(file: str, content: bytes) -> list[Signature]:
    """Return the signatures in a GMT file.

    Parameters
    ----------
    file : str
        Name of the file, for error messages.
    content : bytes
        UTF-8, with or without a byte order mark.

    Raises
    ------
    MeasurementError
        The file is too large, is not GMT, or has two signatures with the same name.
    """
    if len(content) > LARGEST_FILE:
        raise MeasurementError(f"{file}: larger than 16 MB; choose a GMT file of signatures.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MeasurementError(f"{file}: not a text file; save the signatures as GMT.") from error
    signatures: dict[str, Signature] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        genes = tuple(dict.fromkeys(cell for cell in cells[2:] if cell))
        if not cells[0] or not genes:
            raise MeasurementError(
                f"{file}, line {number}: expected a name, a source and genes, separated by tabs."
            )
        if cells[0] in signatures:
            raise MeasurementError(
                f"{file}, line {number}: two signatures are named '{cells[0]}'; rename one."
            )
        signatures[cells[0]] = Signature(cells[0], cells[1], genes)
    if not signatures:
        raise MeasurementError(f"{file}: contains no signature; choose another file.")
    return list(signatures.values())


def score_signatures(
    table: AnnData, signatures: list[Signature], *, reliable_only: bool = True
) -> SignatureScores:
    """Score tiles by the mean z-score of each signature's genes over the section.

    A score compares tiles of one section. It is not an amount, and scores of different sections
    cannot be compared. A signature with fewer than three usable genes is not scored. Former gene
    symbols are recognised.

    Parameters
    ----------
    table : AnnData
        Tiles x genes, as for `find_domains`.
    signatures : list of Signature
    reliable_only : bool
        Use only genes with ``var["reliable"]``, if the table has that column.
    """
    expression, names = log_expression(table)
    species = guess_species(list(names))
    column = {gene: i for i, gene in enumerate(current_symbols(names, species))}
    spread = np.asarray(np.nanstd(expression, axis=0, dtype=np.float64))
    usable = spread > 0
    if reliable_only and "reliable" in table.var:
        usable &= table.var.loc[names, "reliable"].to_numpy(bool)
    mean = np.asarray(np.nanmean(expression, axis=0, dtype=np.float64))
    scores = np.full((len(expression), len(signatures)), np.nan)
    half_width = np.full(scores.shape, np.nan)
    held_out = _column(table, names, "held_out_pearson")
    reliable = _column(table, names, "reliable")
    rows = []
    for number, signature in enumerate(signatures):
        # two former names of one gene must not count twice
        current = dict.fromkeys(current_symbols(signature.genes, species))
        known = [column[gene] for gene in current if gene in column]
        used = [i for i in known if usable[i]]
        note = ""
        if len(used) >= FEWEST_GENES:
            z = (expression[:, used].astype(np.float64) - mean[used]) / spread[used]
            scores[:, number] = z.mean(1)
            width = stats.t.ppf(0.975, len(used) - 1) / np.sqrt(len(used))
            half_width[:, number] = width * z.std(1, ddof=1)
            if len(used) < len(signature.genes) / 2:
                note = "based on less than half of its genes"
        else:
            note = (
                f"not scored: {len(used)} of {len(signature.genes)} genes can be used "
                f"({len(known)} are predicted)"
            )
        rows.append(
            {
                "signature": signature.name,
                "n_genes": len(signature.genes),
                "n_known": len(known),
                "n_used": len(used),
                "share_used": len(used) / len(signature.genes),
                "share_reliable": float(np.mean(reliable[known])) if known else np.nan,
                "mean_gene_pearson": float(np.mean(held_out[used])) if used else np.nan,
                "genes_used": " ".join(names[used]),
                "source": signature.source,
                "note": note,
            }
        )
    return SignatureScores(scores, half_width, pd.DataFrame(rows))


def _column(table: AnnData, genes: NDArray[np.str_], name: str) -> NDArray[np.float64]:
    """Return a column of `var` for these genes; NaN if the table does not have it."""
    if name not in table.var:
        return np.full(len(genes), np.nan)
    return table.var.loc[genes, name].to_numpy(np.float64)


def current_symbols(names: Iterable[str], species: str) -> list[str]:
    """Return current gene symbols; a name that is not in the gene reference stays unchanged."""
    names = [str(name) for name in names]
    found = reconcile_genes(names, species)["gene"]
    return [new or old for old, new in zip(names, found, strict=True)]
