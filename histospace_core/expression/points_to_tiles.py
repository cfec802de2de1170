"""Add up molecules or cells in square tiles of the H&E slide."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

TILE_UM = 88.32
"""Side of a tile: 128 px at 0.69 um, the tile of the models that ship."""
MIN_QUALITY = 20.0
"""Lowest quality value (Phred) of a transcript in the cell matrix that the instrument writes."""
CONTROL = re.compile(
    r"(BLANK|NegControl|antisense|Unassigned|Deprecated|Intergenic|Genomic_?Control)", re.IGNORECASE
)
_BITS = 20  # of a tile's column, of its row and of a gene in one whole number
_BATCH = 2**20
_MOST_SUMS = 5_000_000


class Genes:
    """Index of each gene by name.

    Parameters
    ----------
    names
        Genes of the panel; any other name is a control. If None, genes are taken as they come,
        and the names that 10x gives its controls are not genes.
    """

    def __init__(self, names: Iterable[str] | None = None) -> None:
        self._open = names is None
        self._index: dict[str, int] = {}
        for name in names or ():
            self._index.setdefault(name, len(self._index))

    @property
    def names(self) -> list[str]:
        """Genes in the order of their indices."""
        return list(self._index)

    def find(self, name: str) -> int:
        """Return a gene's index, -1 for a control."""
        if self._open and not CONTROL.match(name):
            return self._index.setdefault(name, len(self._index))
        return self._index.get(name, -1)


class TileSums:
    """Counts of each gene in each tile of a grid that begins at the slide's upper left corner.

    Parameters
    ----------
    side
        Side of a tile, level-0 px.
    """

    def __init__(self, side: float) -> None:
        self.side = side
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._n_sums = 0

    def add(
        self,
        places: NDArray[np.float64],
        genes: NDArray[np.integer],
        counts: NDArray[np.float64] | None = None,
    ) -> int:
        """Add counts (one each by default) and return how many rows lie above or left of the slide.

        Parameters
        ----------
        places
            Positions (n, 2), level-0 px.
        genes
            Index of the gene of each row.

        Raises
        ------
        ValueError
            A position is not a number, or is farther away than any slide is wide.
        """
        cells = np.floor(places / self.side)
        if not (cells < 2**_BITS).all():  # also false for NaN
            raise ValueError("a position is missing or lies outside any slide")
        inside = (cells >= 0).all(axis=1)
        column, row = cells[inside].astype(np.int64).T
        key = (row << 2 * _BITS) | (column << _BITS) | genes[inside].astype(np.int64)
        weights = None if counts is None else counts[inside]
        self._parts.append(_sums(key, weights))
        self._n_sums += len(self._parts[-1][0])
        if self._n_sums > _MOST_SUMS:
            self._merge()
        return int((~inside).sum())

    def _merge(self) -> None:
        keys, sums = zip(*self._parts, strict=True)
        self._parts = [_sums(np.concatenate(keys), np.concatenate(sums))]
        self._n_sums = len(self._parts[0][0])

    def matrix(self, n_genes: int) -> tuple[sparse.csr_matrix, list[str], NDArray[np.float64]]:
        """Return counts (n_tiles, n_genes), tiles named such as "x12y34", centres in level-0 px."""
        if not self._parts:
            return sparse.csr_matrix((0, n_genes)), [], np.empty((0, 2))
        self._merge()
        key, sums = self._parts[0]
        tile, row = np.unique(key >> _BITS, return_inverse=True)
        grid = np.c_[tile & (2**_BITS - 1), tile >> _BITS]
        counts = sparse.csr_matrix((sums, (row, key & (2**_BITS - 1))), shape=(len(tile), n_genes))
        return counts, [f"x{x}y{y}" for x, y in grid], (grid + 0.5) * self.side


def _sums(
    key: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    unique, where = np.unique(key, return_inverse=True)
    return unique, np.bincount(where, weights, minlength=len(unique)).astype(np.float64)


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table of transcripts; `quality` may be missing from the table."""

    x: str = "x_location"
    y: str = "y_location"
    gene: str = "feature_name"
    quality: str = "qv"


@dataclass
class Tally:
    """How many transcripts were used, and why others were not."""

    used: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str, count: int) -> None:
        """Count transcripts that are not used."""
        if count:
            self.left_out[why] = self.left_out.get(why, 0) + count

    def notes(self, side: float) -> list[str]:
        """Return sentences for `RawCounts.notes`."""
        notes = [
            f"{self.used:,} transcripts were added up in square tiles of {TILE_UM} um "
            f"({side:.1f} px), the tile of the models that ship."
        ]
        if self.left_out:
            parts = ", ".join(f"{count:,} {why}" for why, count in self.left_out.items())
            notes.append(f"Transcripts left out: {parts}.")
        return notes


def add_transcripts(
    files: Iterable[Path],
    columns: Columns,
    genes: Genes,
    to_slide: NDArray[np.float64],
    sums: TileSums,
) -> Tally:
    """Add the transcripts of Parquet or CSV files to the tiles of a slide.

    Parameters
    ----------
    to_slide
        Affine matrix (3, 3) from the positions of the files to level-0 px.

    Raises
    ------
    ValueError, OSError
        A file is not a table with these columns.
    """
    tally = Tally()
    for file in files:
        for batch in _batches(file, columns):
            names = batch.column(columns.gene)
            if not pa.types.is_dictionary(names.type):
                names = names.dictionary_encode()
            # the first versions wrote bytes
            known = [
                genes.find(name.decode() if isinstance(name, bytes) else str(name))
                for name in names.dictionary.to_pylist()
            ]
            index = names.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
            gene = np.array([*known, -1])[index]
            use = np.ones(len(gene), bool)
            if columns.quality in batch.schema.names:
                use = _numbers(batch, columns.quality) >= MIN_QUALITY
                tally.leave_out(f"of quality below {MIN_QUALITY:.0f}", int((~use).sum()))
            tally.leave_out("of control probes or codewords", int((use & (gene < 0)).sum()))
            use &= gene >= 0
            places = np.c_[_numbers(batch, columns.x), _numbers(batch, columns.y)][use]
            outside = sums.add(places @ to_slide[:2, :2].T + to_slide[:2, 2], gene[use])
            tally.leave_out("above or left of the slide", outside)
            tally.used += int(use.sum()) - outside
    return tally


def _numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    values = batch.column(name).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def _batches(file: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    needed = [columns.x, columns.y, columns.gene]
    if file.suffix == ".parquet":
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        _require_columns(file, needed, names)
        wanted = needed + [columns.quality] * (columns.quality in names)
        yield from parquet.iter_batches(batch_size=_BATCH, columns=wanted)
        return
    wanted = [*needed, columns.quality]
    names = list(pd.read_csv(file, nrows=0).columns)
    _require_columns(file, needed, names)
    for chunk in pd.read_csv(
        file, usecols=lambda name: name in wanted, chunksize=_BATCH, keep_default_na=False
    ):
        yield pa.RecordBatch.from_pandas(chunk, preserve_index=False)


def _require_columns(file: Path, needed: list[str], names: list[str]) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(f"{file.name} has no column {missing[0]}")
