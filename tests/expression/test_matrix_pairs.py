"""Two matrices of one folder: the same, one within the other, or of different runs."""

from pathlib import Path

import numpy as np
import pytest
from builders.layouts import MATRIX, write_section
from builders.measured import write_10x_h5, write_10x_mtx

from histospace_core.errors import MeasurementError
from histospace_core.expression.spaceranger import read_spaceranger

RAW = "raw_feature_bc_matrix"


def test_raw_of_another_run_has_the_same_barcodes(tmp_path: Path, counts: np.ndarray) -> None:
    folder = write_section(tmp_path / "s", counts)
    write_10x_h5(folder / f"{RAW}.h5", counts)
    read_spaceranger(folder)
    write_10x_h5(folder / f"{RAW}.h5", counts[::-1])
    with pytest.raises(MeasurementError, match=r"has other counts than raw_feature_bc_matrix\.h5"):
        read_spaceranger(folder)


def test_raw_in_a_folder_is_compared_too(tmp_path: Path, counts: np.ndarray) -> None:
    folder = write_section(tmp_path / "s", counts)
    write_10x_mtx(folder / RAW, counts + 1)
    with pytest.raises(MeasurementError, match="so they are of different runs"):
        read_spaceranger(folder)


def test_two_forms_with_one_sum_are_not_the_same(tmp_path: Path, counts: np.ndarray) -> None:
    folder = write_section(tmp_path / "s", counts)
    write_10x_mtx(folder / MATRIX, counts)
    assert read_spaceranger(folder).counts.toarray().tolist() == counts[:5].tolist()
    other = counts.copy()
    other[:, [0, 1]] = counts[:, [1, 0]] + [[1, -1]]
    write_10x_h5(folder / f"{MATRIX}.h5", other)
    with pytest.raises(MeasurementError, match="are not the same matrix"):
        read_spaceranger(folder)
