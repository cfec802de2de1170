"""Positions in every spelling that people have made of them, against pandas' own reading."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.measured import POSITIONS

from histospace_core.errors import MeasurementError
from histospace_core.expression.positions import COLUMNS, read_agreeing, read_positions

EXPECTED = POSITIONS.set_index("barcode").astype(float)


def text(header: bool = True, sep: str = ",", table: pd.DataFrame = POSITIONS) -> str:
    return table.to_csv(index=False, header=header, sep=sep)


SPELLINGS: dict[str, bytes] = {
    "as written": text().encode(),
    "no header": text(header=False).encode(),
    "BOM": text().encode("utf-8-sig"),
    "BOM and no header": text(header=False).encode("utf-8-sig"),
    "CRLF": text().replace("\n", "\r\n").encode(),
    "semicolons": text(sep=";").encode(),
    "tabs": text(sep="\t").encode(),
    "upper case": text().replace("barcode,in_tissue", "BARCODE,In_Tissue ").encode(),
    "quoted": POSITIONS.to_csv(index=False, quoting=1).encode(),
    "gzip": gzip.compress(text().encode()),
    "other order": text(table=POSITIONS[COLUMNS[::-1]]).encode(),
    "further column": text(table=POSITIONS.assign(cluster="a")).encode(),
    "index without name": text().replace("barcode,", ",", 1).encode(),
    "names of Seurat": text(header=False)
    .join(["barcodes,tissue,row,col,imagerow,imagecol\n", ""])
    .encode(),
    **{
        f"in_tissue {yes}": text(
            table=POSITIONS.assign(in_tissue=POSITIONS["in_tissue"].map({1: yes, 0: no}))
        ).encode()
        for yes, no in (("TRUE", "FALSE"), ("true", "false"), ("yes", "no"), ("1.0", "0.0"))
    },
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_reads_the_same(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "tissue_positions.csv"
    path.write_bytes(SPELLINGS[spelling])
    pd.testing.assert_frame_equal(read_positions(path), EXPECTED, check_names=False)


def test_a_decimal_comma(tmp_path: Path) -> None:
    path = tmp_path / "tissue_positions.csv"
    table = POSITIONS.assign(pxl_row_in_fullres=[f"{1000 + i},5" for i in range(6)])
    path.write_text(text(sep=";", table=table))
    assert read_positions(path)["pxl_row_in_fullres"].tolist() == [1000.5 + i for i in range(6)]


def test_a_comma_that_may_be_either(tmp_path: Path) -> None:
    path = tmp_path / "tissue_positions.csv"
    path.write_text(text(sep=";", table=POSITIONS.assign(pxl_row_in_fullres="12,345")))
    with pytest.raises(
        MeasurementError, match=r"pxl_row_in_fullres of barcode .* is '12,345', which is one"
    ):
        read_positions(path)


def test_parquet_with_categories_and_truth_values(tmp_path: Path) -> None:
    path = tmp_path / "tissue_positions.parquet"
    table = POSITIONS.assign(
        barcode=pd.Categorical(POSITIONS["barcode"]), in_tissue=POSITIONS["in_tissue"] == 1
    )
    for written in (table, table.set_index("barcode")):
        written.to_parquet(path)
        pd.testing.assert_frame_equal(read_positions(path), EXPECTED, check_names=False)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("in_tissue", "maybe", "in_tissue of barcode AAAAAAAAACGTACGT-1 is 'maybe', not 0 or 1"),
        ("in_tissue", "2", "is '2', not 0 or 1"),
        (
            "pxl_col_in_fullres",
            "here",
            "pxl_col_in_fullres of .* is 'here', a cell that is not a",
        ),
        ("pxl_col_in_fullres", "", "is '', not a number"),
        ("pxl_row_in_fullres", "inf", "is 'inf', not a number"),
    ],
)
def test_a_complaint_names_the_column(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = tmp_path / "tissue_positions.csv"
    path.write_text(text(table=POSITIONS.astype(str).assign(**{column: value})))
    with pytest.raises(MeasurementError, match=message):
        read_positions(path)


def test_a_position_may_be_missing_where_there_is_no_tissue(tmp_path: Path) -> None:
    path = tmp_path / "tissue_positions.csv"
    table = POSITIONS.astype(str)
    table.loc[5, "pxl_row_in_fullres"] = ""
    path.write_text(text(table=table))
    assert np.isnan(read_positions(path)["pxl_row_in_fullres"].iloc[5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; copy it again"),
        (b"<!DOCTYPE html>", "the file is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS"),
        (b"a,b\n1,2\n", "no column barcode among a, b; name the columns barcode"),
        (b"barcode,in_tissue,y,x\nA-1,1,2,3\n", "no column array_row among barcode"),
        (b"A-1,1,0,0,10\n", "5 columns and no header, not 6"),
        (b"A-1,1,0,0,1,2\nA-1,1,0,0,1,2\n", "barcode A-1 is listed more than once"),
        (b"PAR1 and then nothing", "not a table of barcode"),
        (b"\x1f\x8b and then nothing", "not a table of barcode"),
    ],
)
def test_positions_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tissue_positions.csv"
    path.write_bytes(content)
    with pytest.raises(MeasurementError, match=message):
        read_positions(path)


def test_two_files_must_agree(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "tissue_positions.csv", tmp_path / "tissue_positions.parquet"
    csv.write_text(text())
    POSITIONS.iloc[::-1].to_parquet(parquet, index=False)
    pd.testing.assert_frame_equal(read_agreeing([csv, parquet]), EXPECTED, check_names=False)
    csv.write_text(text(table=POSITIONS.assign(pxl_col_in_fullres=7)))
    with pytest.raises(MeasurementError, match=r"differs from tissue_positions.csv in the same"):
        read_agreeing([csv, parquet])


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_two_files_must_agree_in_every_column(tmp_path: Path, column: str) -> None:
    table = EXPECTED.rename_axis("barcode").reset_index()
    table.to_csv(tmp_path / "tissue_positions.csv", index=False)
    table.loc[2, column] = 1 - table.loc[2, column]
    table.to_csv(tmp_path / "tissue_positions_list.csv", index=False)
    names = ("tissue_positions.csv", "tissue_positions_list.csv")
    with pytest.raises(MeasurementError, match=rf"same folder \(column {column} of barcode"):
        read_agreeing([tmp_path / name for name in names])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_positions_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "tissue_positions.csv"
    EXPECTED.rename_axis("barcode").to_csv(path, encoding=encoding)
    pd.testing.assert_frame_equal(read_positions(path), EXPECTED, check_names=False)
