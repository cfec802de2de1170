"""Legacy ST tables and spot files, in the layouts that are about."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression.legacy import read_legacy, read_spots, read_table


def test_selected_and_counted_spots_are_kept(legacy: tuple[Path, Path], counts: np.ndarray) -> None:
    raw = read_legacy(*legacy)
    assert raw.spots == ["2x5", "3x5", "1x6", "2x6", "3x6"]
    assert raw.counts.toarray().tolist() == counts[1:].tolist()
    assert raw.centres[0].tolist() == [2 * 290.5, 5 * 291.25]
    assert raw.notes == ["1 spots with counts are not under tissue and were left out."]


def test_positions_follow_the_order_of_the_counts(legacy: tuple[Path, Path]) -> None:
    table = pd.read_csv(legacy[1], sep="\t").sample(frac=1, random_state=0)
    expected = read_legacy(*legacy).centres
    table.to_csv(legacy[1], sep="\t", index=False)
    assert np.array_equal(read_legacy(*legacy).centres, expected)


def test_a_transposed_table_is_accepted(legacy: tuple[Path, Path], counts: np.ndarray) -> None:
    pd.read_csv(legacy[0], sep="\t", index_col=0).T.to_csv(legacy[0], sep="\t")
    raw = read_legacy(*legacy)
    assert raw.counts.toarray().tolist() == counts[1:].tolist()
    assert "transposed" in raw.notes[0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_header_without_corner_cell_quotes_and_blank_lines(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(end.join(['"A"\t"B"', '"1x1"\t1\t2', "", '"1x2"\t3\t0', ""]).encode())
    rows, columns, matrix = read_table(path)
    assert (rows, columns) == (["1x1", "1x2"], ["A", "B"])
    assert matrix.toarray().tolist() == [[1, 2], [3, 0]]


def test_commas_and_floats(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",A,B\n1x1,1.0,2\n")
    assert read_table(path)[2].toarray().tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "text",
    [
        "x\ty\tpixel_x\tpixel_y\n3\t4\t10.5\t20\n",
        "spot\tpixel_x\tpixel_y\n3x4\t10.5\t20\n",
        ",X,Y\n3_4,10.5,20\n",
        "X\tY\n3x4\t10.5\t20\n",
        "3\t4\t3.1\t4.1\t10.5\t20\n",
        "3\t4\t3.1\t4.1\t10.5\t20\t1\n",
    ],
    ids=["no selected", "index", "older index", "no corner", "no header", "no header, selected"],
)
def test_layouts_of_spot_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "spots.tsv").write_text(text)
    table = read_spots(tmp_path / "spots.tsv")
    assert table.index.tolist() == ["3x4"]
    assert table.loc["3x4"].tolist() == [10.5, 20, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\ty\tpixel_x\tpixel_y\n1\t1\tNaN\t5\n", "missing or is not a number"),
        ("x\ty\tpixel_x\tpixel_y\n1\t1\tinf\t5\n", "missing or is not a number"),
        ("x\ty\tpixel_x\tpixel_y\n1\t1\tleft\t5\n", "missing or is not a number"),
        ("x\ty\tpixel_x\tpixel_y\n1\t1\t4\t5\n1\t1\t6\t5\n", "listed more than once"),
        ("a\tb\n1\t2\n", "expected the columns"),
        ("", "the file is not a table of spots"),
    ],
)
def test_spot_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "spots.tsv").write_text(text)
    with pytest.raises(MeasurementError, match=rf"spots\.tsv: .*{message}"):
        read_spots(tmp_path / "spots.tsv")


def test_spots_of_another_section(legacy: tuple[Path, Path]) -> None:
    legacy[1].write_text("x\ty\tpixel_x\tpixel_y\tselected\n90\t90\t5\t5\t1\n")
    with pytest.raises(MeasurementError, match="no selected spot in common"):
        read_legacy(*legacy)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
@pytest.mark.parametrize("packed", [False, True])
def test_wild_bytes_never_escape_as_another_error(
    tmp_path: Path, content: bytes, packed: bool
) -> None:
    path = tmp_path / "wild.tsv.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    for read in (read_table, read_spots):
        with suppress(MeasurementError):
            read(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.lists(st.integers(0, 2**20), min_size=3, max_size=3), min_size=1, max_size=8)
)
def test_any_table_of_counts_comes_back(tmp_path: Path, cells: list[list[int]]) -> None:
    path = tmp_path / "any.tsv"
    lines = ["\tA\tB\tC", *(f"{i}x1\t" + "\t".join(map(str, r)) for i, r in enumerate(cells))]
    path.write_text("\n".join(lines))
    assert read_table(path)[2].toarray().tolist() == cells
