"""Legacy ST: tables of counts and spot files of other hands."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured

EXAMPLES = 3_200
KNOWN = [
    # index columns (None: an index such as 3x7), then the columns of x and of y
    (("x", "y"), ("pixel_x", "pixel_y")),
    (None, ("pixel_x", "pixel_y")),
    (None, ("pixelX", "pixelY")),
    (None, ("pxl_col_in_fullres", "pxl_row_in_fullres")),
    (None, ("imagecol", "imagerow")),
    (None, ("X", "Y")),
]
UNKNOWN = [("a", "b"), ("lon", "lat"), ("first", "second"), ("width", "height"), ("0", "1")]
YES = ["1", "1.0", "TRUE", "True", "true", "yes"]
NO = ["0", "0.0", "FALSE", "False", "false", "no"]
ODD = ["", "NA", "nan", "inf", "x", "1e400", "1.2.3", "--", "1 000", "#REF!"]


@dataclass(frozen=True)
class Spots:
    """What is true of a section of a few spots."""

    array: list[tuple[int, int]]
    pixels: list[tuple[float, float]]
    selected: list[bool]
    counts: np.ndarray
    genes: list[str]

    @property
    def names(self) -> list[str]:
        return [f"{x}x{y}" for x, y in self.array]


GENES = ["ERBB2", "KRT8", "COL1A1", "CD74", "ADIPOQ", "GAPDH"]


@st.composite
def sections(draw: st.DrawFn) -> Spots:
    n = draw(st.integers(2, 5))
    cell = st.integers(1, 40)
    array = draw(st.lists(st.tuples(cell, cell), min_size=n, max_size=n, unique=True))
    where = st.one_of(
        st.integers(0, 30_000).map(float), st.integers(0, 300_000).map(lambda v: v / 10)
    )
    pixels = draw(st.lists(st.tuples(where, where), min_size=n, max_size=n, unique=True))
    selected = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    genes = draw(st.integers(1, len(GENES)))
    counts = draw(
        st.lists(
            st.lists(st.integers(0, 300), min_size=genes, max_size=genes), min_size=n, max_size=n
        )
    )
    return Spots(array, pixels, selected, np.array(counts), GENES[:genes])


@dataclass(frozen=True)
class Text:
    """How a table is written."""

    separator: str
    decimal: str
    quoting: bool
    line_end: str
    encoding: str
    packed: bool


texts = st.builds(
    Text,
    separator=st.sampled_from("\t\t,;"),
    decimal=st.sampled_from("...,"),
    quoting=st.booleans(),
    line_end=st.sampled_from(["\n", "\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]),
    packed=st.booleans(),
)


PLAIN = {("\t", "."), (",", ".")}
"""Separators and decimal marks that must be read, not only refused by a sentence."""


def write(file: Path, table: pd.DataFrame, how: Text, *, index: bool) -> Path:
    text = table.to_csv(
        sep=how.separator,
        decimal=how.decimal,
        quoting=1 if how.quoting else 0,
        lineterminator=how.line_end,
        index=index,
    )
    content = text.encode(how.encoding)
    file.write_bytes(gzip.compress(content, 1) if how.packed else content)
    return file


def outcome(counts: Path, spots: Path) -> tuple[pd.DataFrame, pd.DataFrame] | str:
    """Return counts and positions by spot, or the sentence."""
    try:
        read = read_measured(counts, spots)
    except MeasurementError as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert len(sentence) < 600
        return sentence
    return (
        pd.DataFrame(read.X.toarray(), index=read.obs_names, columns=read.var_names),
        pd.DataFrame(read.obsm["spatial"], index=read.obs_names, columns=["x", "y"]),
    )


def require_true(got: tuple[pd.DataFrame, pd.DataFrame], spots: Spots, kept: list[bool]) -> None:
    counts, positions = got
    rows = [i for i in range(len(kept)) if kept[i] and spots.counts[i].sum()]
    names = [spots.names[i] for i in rows]
    assert sorted(counts.index) == sorted(names)
    assert counts.loc[names, spots.genes].to_numpy().tolist() == spots.counts[rows].tolist()
    wanted = [spots.pixels[i] for i in rows]
    np.testing.assert_allclose(positions.loc[names].to_numpy(), wanted, atol=1e-9)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Callable[[Spots], Path]:
    """Write the counts of a section as they should be."""

    def write_counts(spots: Spots) -> Path:
        table = pd.DataFrame(spots.counts, index=spots.names, columns=spots.genes)
        table.to_csv(folder / "counts.tsv", sep="\t")
        return folder / "counts.tsv"

    return write_counts


@pytest.mark.slow
class TestSpotFiles:
    @settings(max_examples=EXAMPLES, derandomize=True)
    @given(
        spots=sections(),
        known=st.sampled_from(KNOWN),
        how=texts,
        shuffle=st.randoms(use_true_random=False),
        case=st.sampled_from([str, str, str.upper, str.lower, str.title]),
        states=st.booleans(),
        extra=st.lists(st.sampled_from(["new_x", "new_y", "n_genes", "cluster"]), unique=True),
    )
    def test_known_columns(
        self,
        folder: Path,
        plain: Callable[[Spots], Path],
        spots: Spots,
        known: Any,
        how: Text,
        shuffle: Any,
        case: Callable[[str], str],
        states: bool,
        extra: list[str],
    ) -> None:
        """In any order, case and form: the positions are right, or the file is refused."""
        index, (x, y) = known
        columns: dict[str, list[Any]] = {case(x): [p[0] for p in spots.pixels]}
        columns[case(y)] = [p[1] for p in spots.pixels]
        if index:
            columns[case(index[0])] = [a[0] for a in spots.array]
            columns[case(index[1])] = [a[1] for a in spots.array]
        if states:
            columns["selected"] = [shuffle.choice(YES if s else NO) for s in spots.selected]
        for name in extra:
            columns[name] = [shuffle.randrange(1000) for _ in spots.pixels]
        order = list(columns)
        shuffle.shuffle(order)
        table = pd.DataFrame(columns, index=spots.names)[order]
        file = write(folder / "spots.csv", table, how, index=index is None)
        got = outcome(plain(spots), file)
        kept = spots.selected if states else [True] * len(spots.array)
        if isinstance(got, str):
            assert (how.separator, how.decimal) not in PLAIN or not spots.counts[kept].any(), got
        else:
            require_true(got, spots, kept)

    @settings(max_examples=EXAMPLES // 8, derandomize=True)
    @given(spots=sections(), names=st.sampled_from(UNKNOWN), how=texts)
    def test_unknown_columns(
        self,
        folder: Path,
        plain: Callable[[Spots], Path],
        spots: Spots,
        names: tuple[str, str],
        how: Text,
    ) -> None:
        """Nobody can know which of them is x."""
        table = pd.DataFrame(spots.pixels, index=spots.names, columns=list(names))
        got = outcome(plain(spots), write(folder / "spots.csv", table, how, index=True))
        assert isinstance(got, str), f"{names} were accepted"

    @settings(max_examples=EXAMPLES // 4, derandomize=True)
    @given(spots=sections(), data=st.data())
    def test_a_damaged_cell(
        self, folder: Path, plain: Callable[[Spots], Path], spots: Spots, data: st.DataObject
    ) -> None:
        """A cell that is no number, empty, or a row that is cut off is never read as a position."""
        cells = [["x", "y", "pixel_x", "pixel_y", "selected"]]
        for (x, y), (px, py) in zip(spots.array, spots.pixels, strict=True):
            cells.append([str(x), str(y), repr(px), repr(py), "1"])
        row = data.draw(st.integers(1, len(cells) - 1))
        column = data.draw(st.integers(0, 3))
        cells[row][column] = data.draw(st.sampled_from(ODD))
        file = folder / "spots.tsv"
        file.write_text("\n".join("\t".join(r) for r in cells) + "\n")
        got = outcome(plain(spots), file)
        if not isinstance(got, str):
            kept = [i != row - 1 for i in range(len(spots.array))]
            require_true(got, spots, kept)


@pytest.mark.slow
class TestCounts:
    @settings(max_examples=EXAMPLES, derandomize=True)
    @given(
        spots=sections(),
        how=texts,
        transposed=st.booleans(),
        corner=st.sampled_from(["", "spot", "gene", "Unnamed: 0"]),
        separator=st.sampled_from("x_"),
        decimals=st.booleans(),
        twice=st.booleans(),
    )
    def test_any_form(
        self,
        folder: Path,
        spots: Spots,
        how: Text,
        transposed: bool,
        corner: str,
        separator: str,
        decimals: bool,
        twice: bool,
    ) -> None:
        names = [name.replace("x", separator) for name in spots.names]
        values = spots.counts.astype(float) if decimals else spots.counts
        table = pd.DataFrame(values, index=pd.Index(names, name=corner), columns=spots.genes)
        if twice:  # a gene in two columns: the counts are added
            half = table[[spots.genes[0]]] // 2
            table = pd.concat([table, half], axis=1)
            table.iloc[:, 0] -= half.iloc[:, 0]
        file = write(folder / "counts.csv", table.T if transposed else table, how, index=True)
        positions = pd.DataFrame(spots.pixels, index=spots.names, columns=["pixel_x", "pixel_y"])
        positions.to_csv(folder / "spots.tsv", sep="\t")
        got = outcome(file, folder / "spots.tsv")
        if isinstance(got, str):
            assert (how.separator, how.decimal) not in PLAIN or not spots.counts.any(), got
        else:
            require_true(got, spots, [True] * len(spots.array))

    @settings(max_examples=EXAMPLES // 8, derandomize=True)
    @given(spots=sections(), data=st.data())
    def test_damaged_bytes(self, folder: Path, spots: Spots, data: st.DataObject) -> None:
        """A file that was cut off is refused, or has the rows that are whole."""
        table = pd.DataFrame(spots.counts, index=spots.names, columns=spots.genes)
        content = gzip.compress(table.to_csv(sep="\t").encode(), 1)
        end = data.draw(st.integers(3, len(content) - 1))
        (folder / "counts.tsv.gz").write_bytes(content[:end])
        positions = pd.DataFrame(spots.pixels, index=spots.names, columns=["pixel_x", "pixel_y"])
        positions.to_csv(folder / "spots.tsv", sep="\t")
        assert isinstance(outcome(folder / "counts.tsv.gz", folder / "spots.tsv"), str)
