"""Barcodes are matched exactly, or without a suffix that only one file has."""

from pathlib import Path

import pytest
from builders.measured import BARCODES, POSITIONS

from histospace_core.errors import MeasurementError
from histospace_core.expression.barcodes import match_barcodes

TABLE = POSITIONS.set_index("barcode").astype(float)
BARE = [barcode.removesuffix("-1") for barcode in BARCODES]
HERE = Path("outs")


def test_exact_barcodes_in_the_order_of_the_counts() -> None:
    notes: list[str] = []
    keep, under = match_barcodes(BARCODES[::-1], TABLE, HERE, notes)
    assert keep.tolist() == [1, 2, 3, 4, 5]
    assert under["pxl_row_in_fullres"].tolist() == [1400, 1300, 1200, 1100, 1000]
    assert notes == ["1 barcodes are not under tissue and were left out."]


@pytest.mark.parametrize("counts_have_it", [True, False])
def test_a_suffix_in_one_file_only(counts_have_it: bool) -> None:
    notes: list[str] = []
    table = TABLE.set_axis(BARE if counts_have_it else BARCODES, axis=0)
    _, under = match_barcodes(BARCODES if counts_have_it else BARE, table, HERE, notes)
    assert under["pxl_row_in_fullres"].tolist() == [1000, 1100, 1200, 1300, 1400]
    assert notes[0] == "Barcodes were matched without the suffix that only one file has."


def test_a_suffix_that_two_libraries_share_is_not_stripped() -> None:
    aggregated = [f"{barcode}-{i}" for i in (1, 2) for barcode in BARE]
    with pytest.raises(MeasurementError, match="no barcode in common"):
        match_barcodes(aggregated, TABLE.set_axis(BARE, axis=0), HERE, [])


def test_other_numbers_are_other_barcodes() -> None:
    other = [f"{barcode}-2" for barcode in BARE]
    with pytest.raises(
        MeasurementError, match=r"such as A+CGTACGT-2 in the counts and A+CGTACGT-1"
    ):
        match_barcodes(other, TABLE, HERE, [])


def test_no_tissue_is_said_before_no_barcode() -> None:
    with pytest.raises(MeasurementError, match=r"of 6 barcodes none is under tissue .*0 for all"):
        match_barcodes(BARCODES, TABLE.assign(in_tissue=0.0), HERE, [])
    with pytest.raises(MeasurementError, match=r"of 1 barcodes none .* for all that have counts"):
        match_barcodes(BARCODES[5:], TABLE, HERE, [])


def test_what_is_missing_on_either_side_is_said() -> None:
    notes: list[str] = []
    match_barcodes([*BARCODES[:3], "NOWHERE-1"], TABLE, HERE, notes)
    assert notes == [
        "1 barcodes have no position and were left out.",
        "2 spots under tissue have no counts.",
    ]
