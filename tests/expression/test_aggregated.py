"""Output of `spaceranger aggr`: one capture area at a time, on its own pixels."""

from pathlib import Path

import numpy as np
import pytest
from builders.layouts import write_aggregate, write_scales
from builders.measured import BARCODES, write_positions

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice
from histospace_core.expression.spaceranger import read_spaceranger


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("table", [True, False])
def test_one_library_is_chosen(
    tmp_path: Path, counts: np.ndarray, header: bool, table: bool
) -> None:
    outs = tmp_path / "outs"
    write_aggregate(outs, counts, header=header)
    if not table:
        (outs / "aggregation.csv").unlink()
    with pytest.raises(MeasurementError, match=r"outs: holds 2 libraries \(LV123, LB456\)"):
        read_spaceranger(outs)
    raw = read_spaceranger(outs, Choice(library="LB456"))
    assert raw.spots == [barcode[:-1] + "2" for barcode in BARCODES[:5]]
    assert raw.counts.toarray().tolist() == (counts[:5] * 2).tolist()
    assert raw.centres[:, 0].tolist() == [7500, 7510, 7520, 7530, 7540]
    assert raw.spot_diameter == 120
    assert "Library 'LB456' was read, one of 2." in raw.notes
    assert read_spaceranger(outs, Choice(library="LV123")).centres[0, 0] == 500


def test_libraries_without_names_go_by_number(tmp_path: Path, counts: np.ndarray) -> None:
    write_aggregate(tmp_path, counts)
    (tmp_path / "aggregation.csv").unlink()
    for path in tmp_path.glob("spatial/*/*.json"):
        path.unlink()
    with pytest.raises(MeasurementError, match=r"holds 2 libraries \(1, 2\)"):
        read_spaceranger(tmp_path)
    assert read_spaceranger(tmp_path, Choice(library="2")).centres[0, 0] == 7500


def test_positions_of_each_library(tmp_path: Path, counts: np.ndarray) -> None:
    """Positions copied into the libraries' folders are numbered -1, as each run numbers them."""
    write_aggregate(tmp_path, counts)
    (tmp_path / "aggr_tissue_positions.csv").unlink()
    for library in ("LV123", "LB456"):
        write_positions(tmp_path / "spatial" / library, "tissue_positions.csv")
    raw = read_spaceranger(tmp_path, Choice(library="LB456"))
    assert raw.counts.sum() == counts[:5].sum() * 2
    assert raw.centres[0].tolist() == [500, 1000]
    (tmp_path / "spatial/LV123/tissue_positions.csv").unlink()
    with pytest.raises(MeasurementError, match="no positions of library 'LV123'"):
        read_spaceranger(tmp_path, Choice(library="LV123"))


def test_positions_of_one_section_are_not_those_of_two(tmp_path: Path, counts: np.ndarray) -> None:
    write_aggregate(tmp_path, counts)
    (tmp_path / "aggr_tissue_positions.csv").unlink()
    write_positions(tmp_path / "spatial", "tissue_positions.csv")
    write_scales(tmp_path / "spatial", 89.4)
    with pytest.raises(
        MeasurementError, match=r"of 2 libraries, but tissue_positions.csv is of one"
    ):
        read_spaceranger(tmp_path, Choice(library="LV123"))
