"""Tables of numbers as other programs write them."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression.spots import read_spots
from histospace_core.expression.tables import find_separator, parse_numbers, read_table


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


WRITERS = {
    "semicolons": {"sep": ";"},
    "decimal comma": {"sep": ";", "decimal": ",", "float_format": "%.1f"},
    "decimal comma, tabs": {"sep": "\t", "decimal": ",", "float_format": "%.2f"},
    "decimal comma in quotes": {"sep": ",", "decimal": ",", "float_format": "%.1f"},
    "all quoted": {"quoting": 1},
    "CRLF": {"lineterminator": "\r\n"},
    "CR": {"lineterminator": "\r"},
    "byte order mark": {"encoding": "utf-8-sig"},
    "UTF-16": {"encoding": "utf-16", "sep": "\t"},
    "gzip, named otherwise": {"compression": "gzip"},
    "no corner": {"index_label": False},
    "blanks": {"sep": " ", "index_label": False, "quoting": 2},
}


@pytest.mark.parametrize("how", WRITERS)
def test_every_way_of_writing_gives_the_same_counts(tmp_path: Path, how: str) -> None:
    counts = np.random.default_rng(1).poisson(40, (7, 4)).astype(float)
    names = ["ERBB2", "HLA-A", "a gene, with a comma", "KRT8"]
    table = pd.DataFrame(counts, index=[f"{i}x3" for i in range(7)], columns=names)
    table.to_csv(tmp_path / "t.txt", **WRITERS[how])
    rows, columns, matrix = read_table(tmp_path / "t.txt")
    assert (rows, columns) == (table.index.tolist(), names)
    assert matrix.toarray().tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\tA\tB\n1x1\t1\tmany\n", r"row 1 \(1x1\), column B, is 'many'"),
        ("\tA\tB\n1x1\t1\t\n", "column B, is '', a cell that is not a number"),
        (";A;B\n1x1;1;2,345\n", "'2,345', which is one number with a decimal comma and another"),
        (";A;B\n1x1;1.5;2,5\n", "'2,5', which is one number"),
        ("\tA\tB\n1x1\t1,234.5\t2\n", "'1,234.5', a cell that is not a number"),
        (',A,B\n1x1,"1,2\n', "broken quotes|has 1 values"),
    ],
)
def test_a_complaint_names_row_column_and_value(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(MeasurementError, match=rf"t\.tsv: .*(?:{message})"):
        read_table(tmp_path / "t.tsv")


def test_a_decimal_comma_is_sure_where_one_cell_of_a_column_shows_it(tmp_path: Path) -> None:
    assert parse_numbers(["2545,129", "12,5", "7"], ["a", "b", "c"], tmp_path).tolist() == [
        2545.129,
        12.5,
        7,
    ]


def test_a_separator_inside_quotes_is_none() -> None:
    assert find_separator('"a;b","c d"') == ","


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
