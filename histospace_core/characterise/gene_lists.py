"""Gene lists from plain text, CSV and GMT files."""

import csv
import re

from histospace_core.characterise.signatures import Signature, parse_gmt
from histospace_core.errors import MeasurementError

LARGEST_LIST = 2**20
"""Bytes; far more than the names of all genes of a genome take."""
# in order of preference: symbols before ids
_GENE_COLUMNS = ("gene", "genes", "symbol", "gene_symbol", "gene_name", "hgnc_symbol", "gene_id",
          "ensembl_id", "ensembl")  # fmt: skip
_SEPARATORS = ",;\t"


def read_gene_lists(name: str, content: bytes) -> list[Signature]:
    """Read lists of genes; gene names are not changed.

    Parameters
    ----------
    name : str
        Name of the file: its ending determines the format, and errors quote it.
    content : bytes
        GMT has one list per line. CSV is read from the column named gene, symbol, gene_id or
        similar, otherwise from the first column. Any other text contains names separated by
        spaces, commas, semicolons or line breaks; lines that begin with # are skipped.

    Returns
    -------
    list of Signature
        At least one, each with at least one gene.

    Raises
    ------
    MeasurementError
        The file is too large, is not text, or contains no gene name.
    """
    if len(content) > LARGEST_LIST:
        raise MeasurementError(f"{name}: larger than 1 MB; choose a list of genes.")
    try:
        text = content.decode("utf-8-sig")  # Excel writes a byte order mark
    except UnicodeDecodeError as error:
        raise MeasurementError(
            f"{name}: not UTF-8 text; save the list of genes as plain text or CSV."
        ) from error
    stem, _, kind = name.rpartition(".")
    if kind.lower() == "gmt":
        return parse_gmt(name, content)
    if "\0" in text:  # NUL is valid UTF-8, but only binary files hold it
        raise MeasurementError(f"{name}: not plain text; save the list of genes as text or CSV.")
    found = _gene_column(text) if kind.lower() == "csv" else _separated_names(text)
    genes = tuple(dict.fromkeys(found))
    if not genes:
        raise MeasurementError(f"{name}: contains no gene names; choose a list of genes.")
    return [Signature(" ".join((stem or name).split()), "uploaded list", genes)]


def to_gmt(lists: list[Signature]) -> bytes:
    """Return lists in GMT format, which `read_gmt` reads back."""
    lines = [[s.name, s.source, *s.genes] for s in lists]
    return "".join("\t".join(cells) + "\n" for cells in lines).encode()


def _separated_names(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [word for word in re.split(r"[\s,;]+", " ".join(lines)) if word]


def _gene_column(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    # Spreadsheets in many countries separate the columns of a "CSV" by semicolons.
    separator = max(_SEPARATORS, key=lines[0].count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    head = [cell.casefold() for cell in rows[0]]
    column = next((head.index(title) for title in _GENE_COLUMNS if title in head), None)
    body = rows if column is None else rows[1:]
    return [row[column or 0] for row in body if len(row) > (column or 0) and row[column or 0]]
