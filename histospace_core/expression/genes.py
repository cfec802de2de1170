"""Gene names: reconcile symbols, previous symbols, aliases and Ensembl ids with a dated table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from histospace_core.errors import MeasurementError
from histospace_core.shipped import SHIPPED

NO_ID = ""
UNKNOWN = "unknown"
SPECIES = {"human": "ENSG", "mouse": "ENSMUSG"}
REFERENCE = SHIPPED / "data" / "genes"
# _PAR_Y: GENCODE's mark of the Y copy of a gene on both X and Y
ENSEMBL = re.compile(r"^(ENS[A-Z]*G\d{11})(\.\d+)?(_PAR_Y)?$")


@dataclass(frozen=True)
class GeneTable:
    """The gene reference of one species, as look-up tables.

    Attributes
    ----------
    ids : current symbol -> Ensembl id ("" if none).
    symbols : Ensembl id -> current symbol.
    previous, aliases : other name -> current symbol; without names that mean two genes, and
        without names that are the current symbol of a gene.
    ambiguous : a name that is in none of these -> the symbols of the genes that it may mean.
    """

    ids: dict[str, str]
    symbols: dict[str, str]
    previous: dict[str, str]
    aliases: dict[str, str]
    ambiguous: dict[str, tuple[str, ...]]


def load_gene_table(species: str, folder: Path = REFERENCE) -> GeneTable:
    """Read `<folder>/<species>.csv.gz` (columns symbol, ensembl, previous, aliases), once.

    Raises
    ------
    MeasurementError
        The table is missing or damaged.
    """
    return _read_table(species, folder)


@lru_cache(maxsize=8)
def _read_table(species: str, folder: Path) -> GeneTable:
    path = folder / f"{species}.csv.gz"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)  # an empty cell is ""
        ids = dict(zip(table["symbol"], table["ensembl"], strict=True))
        previous, aliases = table["previous"], table["aliases"]
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise MeasurementError(
            f"The gene reference {path.name} is missing or damaged; restore data/genes/."
        ) from error
    earlier, other = _pairs(table["symbol"], previous, ids), _pairs(table["symbol"], aliases, ids)
    found = {"previous": _unambiguous(earlier), "aliases": _unambiguous(other)}
    both = pd.concat([earlier, other]).drop_duplicates()
    left = both[~both["other"].isin([*found["previous"], *found["aliases"]])]
    return GeneTable(
        ids=ids,
        symbols={i: symbol for symbol, i in ids.items() if i},
        ambiguous={str(k): tuple(v) for k, v in left.groupby("other")["symbol"]},
        **found,
    )


def _pairs(symbols: pd.Series, others: pd.Series, current: dict[str, str]) -> pd.DataFrame:
    """Return one row for each symbol and other name of it that is not itself a current symbol."""
    pairs = pd.DataFrame({"symbol": symbols, "other": others.str.split("|")}).explode("other")
    pairs = pairs.drop_duplicates()
    return pairs[(pairs["other"] != "") & ~pairs["other"].isin(list(current))]


def _unambiguous(pairs: pd.DataFrame) -> dict[str, str]:
    pairs = pairs[~pairs["other"].duplicated(keep=False)]
    return dict(zip(pairs["other"], pairs["symbol"], strict=True))


def strip_version(name: str) -> str:
    """Return an Ensembl gene id without its version (`ENSG00000141736.14` -> `ENSG00000141736`).

    Any other name is only stripped of surrounding blanks.
    """
    match = ENSEMBL.match(name.strip())
    return match.group(1) if match else name.strip()


def guess_species(names: Sequence[str], folder: Path = REFERENCE) -> str:
    """Return the species whose Ensembl prefix or current symbols explain most of `names`."""

    def explained(species: str) -> int:
        ids = load_gene_table(species, folder).ids
        # with a digit: chicken ids begin with ENSGALG
        prefix = re.compile(rf"^{SPECIES[species]}\d")
        return sum(name in ids or bool(prefix.match(name)) for name in names)

    return max(SPECIES, key=explained)  # the first, human, if there is a tie


def reconcile_genes(
    names: Sequence[str], species: str | None = None, folder: Path = REFERENCE
) -> pd.DataFrame:
    """Find the current symbol and the Ensembl id of each gene name.

    A current symbol always wins, then a previous symbol, then an alias. A previous symbol or alias
    that means two genes is "unknown": it is never guessed.

    Parameters
    ----------
    names : symbols of any age, or Ensembl gene ids with or without version.
    species : "human" or "mouse"; guessed from the names if None.
    folder : folder of the reference tables.

    Returns
    -------
    DataFrame, one row per name in the same order: `name` as given, `gene` current symbol ("" if
    unknown), `gene_id` Ensembl id (""), `how` one of symbol, previous, alias, ensembl, unknown.
    """
    cleaned = [strip_version(str(name)) for name in names]
    table = load_gene_table(species or guess_species(cleaned, folder), folder)
    rows = []
    for name in cleaned:
        if ENSEMBL.match(name):
            rows.append((table.symbols.get(name, ""), name, "ensembl"))
        elif name in table.ids:
            rows.append((name, table.ids[name], "symbol"))
        elif name in table.previous:
            rows.append((table.previous[name], table.ids[table.previous[name]], "previous"))
        elif name in table.aliases:
            rows.append((table.aliases[name], table.ids[table.aliases[name]], "alias"))
        else:
            rows.append(("", NO_ID, UNKNOWN))
    found = pd.DataFrame(rows, columns=["gene", "gene_id", "how"], dtype=object)
    found.insert(0, "name", pd.Series(list(names), dtype=object))
    return found
