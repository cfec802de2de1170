"""Spots on tissue: orientation, scale, another slide."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_closing
from skimage.filters import threshold_otsu

from histospace_core.errors import MeasurementError
from histospace_core.expression import check_alignment, read_measured
from histospace_core.expression.align import ORIENTATIONS, orient

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
    with pytest.raises(MeasurementError, match=f"{name} it would be 100%"):
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
    assert "a flip cannot be told" in found.message
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


@pytest.fixture(autouse=True)
def _large_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # these are known


def mask_of(path: Path, shrink: int) -> tuple[np.ndarray, tuple[float, float], tuple[int, int]]:
    """A rough mask, by saturation; the slides package has the real one."""
    image = Image.open(path)
    size = image.size
    image.draft("RGB", (size[0] // shrink, size[1] // shrink))
    pixels = np.asarray(image.convert("HSV").resize((size[0] // shrink, size[1] // shrink)))
    saturation = pixels[..., 1]
    mask = binary_closing(saturation > threshold_otsu(saturation), iterations=5)
    return mask, (size[0] / mask.shape[1], size[1] / mask.shape[0]), size


@pytest.mark.shared
@pytest.mark.parametrize("section", ["C2", "C3", "C4", "C5"])
def test_her2st_spots_lie_on_tissue(shared: Path, section: str) -> None:
    folder = shared / "her2st"
    adata = read_measured(
        folder / f"ST-cnts/{section}.tsv.gz", folder / f"ST-spotfiles/{section}_selection.tsv"
    )
    image = next((folder / f"ST-imgs/C/{section}").glob("*.jpg"))
    found = check_alignment(adata.obsm["spatial"], *mask_of(image, 16))
    assert found.verdict == "aligned"
    assert found.on_tissue > 0.8


@pytest.mark.shared
def test_olfactory_bulb_spots_lie_on_tissue(shared: Path) -> None:
    folder = shared / "mouse_olfactory_bulb"
    adata = read_measured(folder / "Rep9.tsv.gz", folder / "Rep9_selection.tsv")
    found = check_alignment(adata.obsm["spatial"], *mask_of(folder / "Rep9.jpg", 4))
    assert found.verdict == "aligned"
    assert found.on_tissue > 0.9
