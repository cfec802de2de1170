"""Spot files by the names of their columns, and never by their order."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histospace_core.errors import MeasurementError
from histospace_core.expression.spots import read_spots


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
        ("x\ty\tpixel_x\tpixel_y\n1\t1\tleft\t5\n", "'left', a cell that is not a number"),
        ("x\ty\tpixel_x\tpixel_y\n1\t1\t4\t5\n1\t1\t6\t5\n", "listed more than once"),
        ("a\tb\n1\t2\n", "expected the columns"),
        ("", "the file is not a table of spots"),
    ],
)
def test_spot_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "spots.tsv").write_text(text)
    with pytest.raises(MeasurementError, match=rf"spots\.tsv: .*{message}"):
        read_spots(tmp_path / "spots.tsv")


SPOTS = pd.DataFrame(
    {
        "x": [2, 3, 2, 3, 9],
        "y": [5, 5, 6, 6, 7],
        "pixel_x": [580.25, 871.0, 581.5, 870.125, 2600.5],
        "pixel_y": [1456.0, 1457.5, 1747.25, 1748.0, 2039.0],
        "selected": [1, 0, 1, 1, 1],
    }
)
NAMES = [f"{x}x{y}" for x, y in zip(SPOTS["x"], SPOTS["y"], strict=True)]
PIXEL_NAMES = [
    ("pixel_x", "pixel_y"),
    ("pixelX", "pixelY"),
    ("x_pixel", "y_pixel"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
    ("imagecol", "imagerow"),
    ("Pixel X", "Pixel.Y"),
    ("X", "Y"),
]


def expect(path: Path) -> None:
    table = read_spots(path)
    assert table.index.tolist() == NAMES
    columns = ["pixel_x", "pixel_y", "selected"]
    assert table[columns].to_numpy().tolist() == SPOTS[columns].to_numpy(float).tolist()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("x", "y"), PIXEL_NAMES)
def test_pixels_by_name_in_either_order(tmp_path: Path, x: str, y: str, order: int) -> None:
    table = SPOTS.rename(columns={"pixel_x": x, "pixel_y": y})[[x, y, "selected"][::order]]
    table.index = pd.Index(NAMES)
    table.to_csv(tmp_path / "s.csv")
    expect(tmp_path / "s.csv")


def test_ids_in_any_column_and_array_columns_beside(tmp_path: Path) -> None:
    """Ids win over the array columns, which other programs fill in either order."""
    table = SPOTS.rename(columns={"x": "array_row", "y": "array_col", "pixel_x": "pixelX"})
    table = table.rename(columns={"pixel_y": "pixelY"}).assign(spot=NAMES)
    table.to_csv(tmp_path / "s.csv", index=False)
    expect(tmp_path / "s.csv")


def test_array_columns_without_ids(tmp_path: Path) -> None:
    names = {"x": "array_col", "y": "array_row"}
    SPOTS.rename(columns=names).to_csv(tmp_path / "s.csv", index=False)
    expect(tmp_path / "s.csv")
    exchanged = {"x": "array_row", "y": "array_col"}
    SPOTS.rename(columns=exchanged).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(MeasurementError, match="the pixel x follows array_row, not array_col"):
        read_spots(tmp_path / "t.csv")


@pytest.mark.parametrize("yes_no", [("TRUE", "FALSE"), ("yes", "no"), ("1.0", "0.0"), ("T", "F")])
@pytest.mark.parametrize("name", ["selected", "in_tissue"])
def test_flags_in_every_spelling(tmp_path: Path, name: str, yes_no: tuple[str, str]) -> None:
    flags = [yes_no[0] if flag else yes_no[1] for flag in SPOTS["selected"]]
    SPOTS.assign(selected=flags).rename(columns={"selected": name}).to_csv(
        tmp_path / "s.csv", index=False
    )
    expect(tmp_path / "s.csv")


@pytest.mark.parametrize(
    "how",
    [
        {"sep": "\t", "decimal": ","},
        {"sep": ";", "decimal": ","},
        {"sep": ";"},
        {"quoting": 1, "lineterminator": "\r\n", "encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"compression": "gzip"},
    ],
    ids=str,
)
def test_ways_of_writing(tmp_path: Path, how: dict[str, object]) -> None:
    SPOTS.to_csv(tmp_path / "s.txt", index=False, **how)
    expect(tmp_path / "s.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imagecol": [1] * 5, "imagerow": [2] * 5}, "pixel_x and imagecol differ .spot 2x5"),
        ({"imagecol": [1] * 5}, "the column imagecol is there, but imagerow is not"),
        ({"PIXEL_X": [1] * 5}, "the column 'pixel_x' is there more than once"),
        ({"selected": [1, 0, 1, 1, "maybe"]}, "selected of spot 9x7 is 'maybe'"),
        ({"in_tissue": [1, 1, 1, 1, 1]}, r"selected and in_tissue differ \(spot 3x5\)"),
        ({"pixel_y": [1, 2, None, 4, 5]}, r"row 3 \(2x6\), column pixel_y, is ''"),
        ({"id": NAMES, "other": NAMES[::-1]}, "'id' and 'other' name different spots"),
    ],
)
def test_contradictions_are_refused(
    tmp_path: Path, change: dict[str, list[object]], message: str
) -> None:
    SPOTS.assign(**change).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(MeasurementError, match=rf"s\.csv: .*{message}"):
        read_spots(tmp_path / "s.csv")


@pytest.mark.parametrize("names", [("a", "b"), ("x_um", "y_um"), ("0", "1"), ("new_x", "new_y")])
def test_unknown_names_are_refused_with_the_known_ones(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    pixels = SPOTS[["pixel_x", "pixel_y"]].set_axis(list(names), axis=1)
    pixels.set_axis(NAMES).to_csv(tmp_path / "s.csv")
    known = rf"found .*{names[0]}, {names[1]}\); expected .* pxl_col_in_fullres"
    with pytest.raises(MeasurementError, match=known):
        read_spots(tmp_path / "s.csv")


@pytest.mark.parametrize("off", [0, 0.2])
def test_array_positions_are_not_taken_for_pixels(tmp_path: Path, off: float) -> None:
    table = SPOTS[["x", "y"]].set_axis(NAMES) + off
    table.to_csv(tmp_path / "s.csv")
    with pytest.raises(MeasurementError, match="x and y repeat the array position"):
        read_spots(tmp_path / "s.csv")


@pytest.mark.shared
@pytest.mark.parametrize("section", ["B4", "C2", "C3", "C4", "C5"])
def test_her2st_spot_files_in_other_hands(shared: Path, tmp_path: Path, section: str) -> None:
    path = shared / f"her2st/ST-spotfiles/{section}_selection.tsv"
    table = pd.read_csv(path, sep="\t")
    ids = [f"{x}x{y}" for x, y in zip(table["x"], table["y"], strict=True)]
    written = pd.DataFrame(
        {"imagerow": table["pixel_y"].to_numpy(), "imagecol": table["pixel_x"].to_numpy()}, ids
    )
    written.to_csv(tmp_path / "s.csv")
    known = read_spots(path)
    assert known.index.tolist() == ids
    assert np.array_equal(known[["pixel_x", "pixel_y"]], table[["pixel_x", "pixel_y"]])
    pixels = ["pixel_x", "pixel_y"]
    assert np.array_equal(read_spots(tmp_path / "s.csv")[pixels], known[pixels])


HEAD = "x\ty\tpixel_x\tpixel_y"


@pytest.mark.parametrize(
    "name", ["selected", "is_selected", "Selected?", "inTissue", "In Tissue", "under_tissue"]
)
def test_flags_of_any_spelling_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.tsv"
    path.write_text(f"{HEAD}\t{name}\n1\t1\t10\t10\tTRUE\n2\t1\t20\t10\tno\n")
    assert read_spots(path)["selected"].tolist() == [1, 0]


def test_a_column_that_is_not_understood_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text(f"{HEAD}\tkeep\n1\t1\t10\t10\t1\n2\t1\t20\t10\t1\n")
    assert read_spots(path).attrs["notes"] == ["Columns of s.tsv that were not used: keep."]


def test_pixels_that_follow_the_other_axis_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    rows = [f"{i}\t{j}\t{10 * j}\t{10 * i}" for i in range(4) for j in range(3)]
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    (note,) = read_spots(path).attrs["notes"]
    assert "pixel_x follows the second number" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5\t4\t505.5\t412\n", "the first line is '5, 4, 505.5, 412', which names no columns"),
        ("A-1,1,0,0,1000,500\n", "which names no columns; add a line of names"),
        ("5\t4\t505.5\t412\t5.1\t3.9\n", "row 1 .* is not in the order x, y, new_x, new_y"),
    ],
)
def test_values_without_names_are_never_guessed(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text * 2)
    with pytest.raises(MeasurementError, match=message):
        read_spots(path)


def test_separators_at_the_end_of_lines_shift_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text(f"{HEAD}\n1\t1\t10\t20\t\n2\t1\t30\t40\t\n")
    assert read_spots(path)[["pixel_x", "pixel_y"]].to_numpy().tolist() == [[10, 20], [30, 40]]


def test_units_in_names_of_pixels(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text("x\ty\tpixel_x (px)\tpixel_y [px]\n1\t1\t10\t20\n")
    assert read_spots(path)["pixel_y"].tolist() == [20]
    path.write_text("x\ty\tpixel_x (um)\tpixel_y (um)\n1\t1\t10\t20\n")
    with pytest.raises(MeasurementError, match="not known by name"):
        read_spots(path)
