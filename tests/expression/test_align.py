"""Spots on tissue: orientation, scale, another slide."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.errors import MeasurementError
from histospace_core.expression import Alignment, check_alignment
from histospace_core.expression.align import ORIENTATIONS, orient
from histospace_core.expression.spots import read_spots
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import Tissue, find_tissue

SIZE = (2000.0, 1200.0)  # width, height


@pytest.fixture
def tissue() -> np.ndarray:
    """An L on its side, at 1/10 of the image: no symmetry."""
    mask = np.zeros((120, 200), dtype=bool)
    mask[20:100, 20:60] = True
    mask[80:100, 20:180] = True
    return mask


def spots_on(mask: np.ndarray, step: int = 4) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    keep = (rows % step == 0) & (columns % step == 0)
    return np.column_stack([columns[keep], rows[keep]]) * 10.0 + 5


def test_as_given(tissue: np.ndarray) -> None:
    found = check_alignment(spots_on(tissue), tissue, (10, 10), SIZE)
    assert (found.verdict, found.best, found.on_tissue) == ("aligned", "as given", 1.0)
    found.require()


@pytest.mark.parametrize("name", list(ORIENTATIONS)[1:4])
def test_a_mirrored_measurement_is_found_and_named(tissue: np.ndarray, name: str) -> None:
    turned = orient(spots_on(tissue), name, SIZE)  # each of these undoes itself
    found = check_alignment(turned, tissue, (10, 10), SIZE)
    assert (found.verdict, found.best) == ("misaligned", name)
    with pytest.raises(MeasurementError, match=f"{name}, 100% would"):
        found.require()


def test_swapped_columns_are_found(tissue: np.ndarray) -> None:
    found = check_alignment(spots_on(tissue)[:, ::-1].copy(), tissue, (10, 10), SIZE)
    assert (found.verdict, found.best) == ("misaligned", "x and y swapped")


@given(st.sampled_from(list(ORIENTATIONS)), st.floats(0, 2000), st.floats(0, 1200))
def test_orientations_stay_in_the_turned_frame(name: str, x: float, y: float) -> None:
    swap = ORIENTATIONS[name][0]
    point = np.array([[y, x]]) if swap else np.array([[x, y]])  # a swapped frame is 1200 x 2000
    turned = orient(point, name, SIZE)[0]
    assert 0 <= turned[0] <= SIZE[0]
    assert 0 <= turned[1] <= SIZE[1]


def test_eight_different_orientations() -> None:
    turned = [tuple(orient(np.array([[100.0, 300.0]]), name, SIZE)[0]) for name in ORIENTATIONS]
    assert len(set(turned)) == 8


def test_a_disc_cannot_be_told(tissue: np.ndarray) -> None:
    y, x = np.mgrid[:100, :100]
    disc = np.hypot(x - 49.5, y - 49.5) < 40
    found = check_alignment(spots_on(disc), disc, (10, 10))
    assert found.verdict == "unclear"
    assert "fits equally well: check by eye" in found.message
    found.require()


def test_another_slide(tissue: np.ndarray) -> None:
    found = check_alignment(spots_on(~tissue), tissue, (10, 10), SIZE)
    assert found.verdict == "misaligned"
    assert "another slide" in found.message


def test_positions_of_a_reduced_image(tissue: np.ndarray) -> None:
    found = check_alignment(spots_on(tissue) * 0.17, tissue, (10, 10), SIZE)
    assert "0% of the spots" in found.message
    assert "full-resolution pixels" in found.message


def test_positions_outside_the_image_are_counted(tissue: np.ndarray) -> None:
    far = check_alignment(spots_on(tissue) * 10, tissue, (10, 10), SIZE)
    assert far.outside > 0.9
    assert "outside the image" in far.message
    assert "larger image" in far.message
    some = np.vstack([spots_on(tissue), [[-500.0, 100.0]]])
    assert check_alignment(some, tissue, (10, 10), SIZE).outside == pytest.approx(1 / len(some))


def test_no_spots() -> None:
    with pytest.raises(MeasurementError, match="no spots"):
        check_alignment(np.zeros((0, 2)), np.ones((5, 5), dtype=bool), (10, 10))


def real_section(shared: Path, name: str) -> tuple[np.ndarray, Alignment, Tissue, tuple[int, int]]:
    """Spots of a real section and how they lie on the tissue of its real image."""
    if name == "bulb":
        folder = shared / "mouse_olfactory_bulb"
        spots, image, mpp = "Rep9_selection.tsv", "Rep9.jpg", 2.8
    else:
        folder, mpp = shared / "her2st", 0.69
        spots = f"ST-spotfiles/{name}_selection.tsv"
        image = next((folder / f"ST-imgs/{name[0]}/{name}").glob("*.jpg")).as_posix()
    table = read_spots(folder / spots)
    centres = table.loc[table["selected"] == 1, ["pixel_x", "pixel_y"]].to_numpy()
    with open_slide(folder / image, mpp=mpp) as slide:
        tissue, size = find_tissue(slide), (slide.width, slide.height)
    downsample = (tissue.downsample_x, tissue.downsample_y)
    return centres, check_alignment(centres, tissue.mask, downsample, size), tissue, size


@pytest.mark.shared
@pytest.mark.parametrize("name", ["B4", "C2", "C3", "C4", "C5", "bulb"])
def test_real_spots_lie_on_tissue_and_a_flip_is_found(shared: Path, name: str) -> None:
    centres, as_given, tissue, size = real_section(shared, name)
    assert as_given.verdict == "aligned"
    assert as_given.on_tissue >= 0.98
    for flip in list(ORIENTATIONS)[1:4]:
        found = check_alignment(
            orient(centres, flip, size),
            tissue.mask,
            (tissue.downsample_x, tissue.downsample_y),
            size,
        )
        assert (found.verdict, found.best) == ("misaligned", flip)
