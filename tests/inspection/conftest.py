"""What the tests of this room share."""

from pathlib import Path

import numpy as np
import pytest
from builders.measured import write_10x_h5, write_positions


@pytest.fixture
def counts() -> np.ndarray:
    """Six spots (the last is off the tissue) of five genes."""
    return np.random.default_rng(0).integers(1, 50, (6, 5))


@pytest.fixture
def visium(tmp_path: Path, counts: np.ndarray) -> Path:
    """A folder as Space Ranger writes it."""
    folder = tmp_path / "outs"
    write_positions(folder / "spatial", "tissue_positions.csv")
    write_10x_h5(folder / "filtered_feature_bc_matrix.h5", counts)
    return folder
