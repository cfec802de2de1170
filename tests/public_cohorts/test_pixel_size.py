import numpy as np
import pandas as pd
import pytest

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.pixel_size import legacy_um, pixel_size, visium_um


def turned(um: np.ndarray, mpp: float, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return um @ np.array([[c, -s], [s, c]]) / mpp + [900, 700]


@pytest.mark.parametrize("degrees", [0, 3, 90, 180])
@pytest.mark.parametrize("in_um", [legacy_um, visium_um])
def test_a_turned_grid_gives_its_pixel_size(in_um, degrees: float) -> None:
    um = in_um(np.argwhere(np.ones((9, 7))).astype(float))
    assert pixel_size(um, turned(um, 0.69, degrees), "A1") == pytest.approx(0.69)


def test_neighbours_of_visium_are_100_um_apart() -> None:
    at, right, below = visium_um(np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]))
    assert np.hypot(*(right - at)) == pytest.approx(100)
    assert np.hypot(*(below - at)) == pytest.approx(100)


@pytest.mark.shared
@pytest.mark.parametrize("section", ["B4", "C2", "C3", "C4", "C5"])
def test_real_legacy_sections(shared, section: str) -> None:
    spots = pd.read_csv(shared / f"her2st/ST-spotfiles/{section}_selection.tsv", sep="\t")
    um = legacy_um(spots[["x", "y"]].to_numpy(float))
    assert pixel_size(um, spots[["pixel_x", "pixel_y"]].to_numpy(), section) == pytest.approx(
        0.69, rel=0.01
    )


def test_what_is_no_grid() -> None:
    um = legacy_um(np.argwhere(np.ones((9, 7))).astype(float))
    pixels = turned(um, 0.69, 0)
    with pytest.raises(CohortError, match="do not belong together"):
        pixel_size(um, np.random.default_rng(0).permutation(pixels), "A1")
    with pytest.raises(CohortError, match="do not belong together"):
        pixel_size(um, pixels * [1, 1.2], "A1")
    with pytest.raises(CohortError, match="lie on a line"):
        pixel_size(um, pixels * [1, 0], "A1")
    with pytest.raises(CohortError, match="too few spots"):
        pixel_size(um[:2], pixels[:2], "A1")
    with pytest.raises(CohortError, match="too few spots"):
        pixel_size(um[:7], pixels[:7], "A1")
