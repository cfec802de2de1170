from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histospace_core.errors import PixelSizeError, TissueError
from histospace_core.slides.open import RGB, open_slide
from histospace_core.slides.tissue import Tissue, find_tissue, tissue_mask


def test_the_disc_is_found(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide:
        tissue = find_tissue(slide)
    y, x = np.mgrid[: tissue.mask.shape[0], : tissue.mask.shape[1]] / tissue.mask.shape[0]
    disc = (x - 0.45) ** 2 + (y - 0.5) ** 2 < 0.12
    assert (tissue.mask & disc).sum() / (tissue.mask | disc).sum() > 0.9
    assert tissue.contains([[0.45 * 1400, 700], [5, 5], [-10, 700], [700, 99_999]]).tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert tissue.area_mm2 == pytest.approx(0.12 * np.pi * (1.4 * 0.69) ** 2, rel=0.1)


def test_pixel_size_is_asked_for(png: Path) -> None:
    with open_slide(png) as slide, pytest.raises(PixelSizeError, match="give it in um/px"):
        find_tissue(slide)


def blanks() -> dict[str, RGB]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(200, 250, 900)[None, :, None] * [1, 0.95, 1] * np.ones((900, 1, 1))
    return {
        "white": np.full((900, 900, 3), 255, np.uint8),
        "black": np.zeros((900, 900, 3), np.uint8),
        "noise": rng.normal(240, 4, (900, 900, 3)).clip(0, 255).astype(np.uint8),
        "vignette": ramp.astype(np.uint8),
    }


@pytest.mark.parametrize("kind", blanks())
def test_blank_slides(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.png"
    Image.fromarray(blanks()[kind]).save(path)
    with open_slide(path, 0.69) as slide, pytest.raises(TissueError, match="no tissue found"):
        find_tissue(slide)


def test_a_field_full_of_tissue(pixels: RGB, tmp_path: Path) -> None:
    Image.fromarray(pixels[450:950, 400:900]).save(tmp_path / "field.png")
    with open_slide(tmp_path / "field.png", 0.69) as slide:
        assert find_tissue(slide).fraction > 0.9


@given(
    mask=st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=6),
    x=st.integers(-30, 90),
    y=st.integers(-30, 90),
    side=st.integers(1, 50),
)
def test_overlap_counts_every_level0_pixel(
    mask: list[list[bool]], x: int, y: int, side: int
) -> None:
    tissue = Tissue(np.array(mask), 8, 4, 8.0)
    canvas = np.kron(tissue.mask, np.ones((4, 8)))
    padded = np.pad(canvas, 150)
    box = padded[150 + y : 150 + y + side, 150 + x : 150 + x + side]
    centre = [[x + side / 2, y + side / 2]]
    assert tissue.overlap(centre, side)[0] == pytest.approx(box.mean(), abs=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize("section", ["B4", "C2", "C3", "C4", "C5"])
def test_spots_of_her2st_lie_on_tissue(shared: Path, section: str) -> None:
    folder = shared / "her2st"
    image = next((folder / "ST-imgs" / section[0] / section).glob("*.jpg"))
    spots = pd.read_csv(folder / "ST-spotfiles" / f"{section}_selection.tsv", sep="\t")
    with open_slide(image, 0.69) as slide:
        tissue = find_tissue(slide)
    on = tissue.contains(spots.loc[spots.selected > 0, ["pixel_x", "pixel_y"]])
    assert on.mean() >= 0.98
    assert tissue.fraction < 0.3  # and the glass, pink with eosin that ran, is not tissue


@pytest.mark.shared
def test_spots_of_the_olfactory_bulb_lie_on_tissue(shared: Path) -> None:
    folder = shared / "mouse_olfactory_bulb"
    spots = pd.read_csv(folder / "Rep9_selection.tsv", sep="\t")
    with open_slide(folder / "Rep9.jpg", 2.8) as slide:
        tissue = find_tissue(slide)
    assert tissue.contains(spots[["pixel_x", "pixel_y"]]).mean() >= 0.98
    assert tissue.fraction < 0.3


@pytest.mark.shared
def test_spots_of_the_visium_brain_lie_on_tissue(shared: Path) -> None:
    """On a dark grey background, with the fiducial frame in the picture."""
    folder = shared / "visium_mouse_brain"
    spots = pd.read_csv(folder / "tissue_positions_list.csv", header=None)
    with open_slide(folder / "V1_Adult_Mouse_Brain_image_small.tif") as slide:
        image = slide.thumbnail(10_000)
    # neighbouring spots of a row, 100 um apart, lie 138 px apart at full resolution, 13.8 here
    mask = tissue_mask(image, 100 / 13.8)
    tissue = Tissue(mask, 1, 1, 100 / 13.8)
    on = tissue.contains(spots[[5, 4]] * 0.1)
    assert on[spots[1] == 1].mean() >= 0.95
    assert on[spots[1] == 0].mean() <= 0.05
