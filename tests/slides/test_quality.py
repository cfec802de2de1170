"""Quality control: each fault by its name, and none where there is none."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from histospace_core.slides.open import RGB, open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.quality import classify_tiles, fold_mask, measure_tiles, pen_mask
from histospace_core.slides.tiles import tiles_at
from histospace_core.slides.tissue import find_tissue

LINE = np.arange(12)


@pytest.fixture
def tissue_tiles(shared: Path) -> RGB:
    image = next((shared / "her2st" / "ST-imgs").rglob("*C2.jpg"))
    with open_slide(image, 0.6887) as slide:
        plan = plan_tiles(slide, find_tissue(slide))
        return tiles_at(slide, plan.centres[:: plan.n_tiles // 100])


def reasons(tiles: RGB, columns: np.ndarray | None = None) -> list[str]:
    where = np.arange(len(tiles)) * 3 if columns is None else columns  # apart, if not said
    return list(classify_tiles(measure_tiles(tiles), where, np.zeros_like(where), 0.0078))


@pytest.mark.shared
def test_real_tissue_is_let_through(tissue_tiles: RGB) -> None:
    assert reasons(tissue_tiles).count("ok") >= 0.98 * len(tissue_tiles)


@pytest.mark.shared
def test_tissue_out_of_focus(tissue_tiles: RGB) -> None:
    soft = ndimage.gaussian_filter(tissue_tiles[:12], (0, 4, 4, 0))
    assert reasons(soft).count("blurred") >= 11
    assert reasons(soft, LINE).count("out of focus") >= 11


def test_empty_tiles() -> None:
    glass = np.random.default_rng(0).normal(240, 2, (3, 128, 128, 3)).astype(np.uint8)
    assert reasons(glass) == ["blank"] * 3


@pytest.mark.parametrize("ink", [(40, 70, 160), (30, 130, 60), (25, 25, 30), (220, 40, 30)])
def test_ink_is_told_from_stain(ink: tuple[int, int, int]) -> None:
    image = np.full((60, 60, 3), (190, 120, 170), np.uint8)  # eosin
    image[:, 30:] = (90, 60, 130)  # haematoxylin
    image[20:30, 10:50] = ink
    found = pen_mask(image)
    assert found[20:30, 10:50].all()
    assert found.sum() == 400


def test_two_layers_of_tissue_are_a_fold() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal((190, 120, 170), 8, (100, 100, 3))
    image[40:52] = image[40:52] ** 3 / 255**2  # light that passes the tissue three times
    found = fold_mask(image.clip(0, 255).astype(np.uint8), np.ones((100, 100), bool), 8.0)
    assert found[43:49].all()
    assert not found[:36].any()
    assert not found[56:].any()


@pytest.mark.shared
def test_little_real_tissue_is_taken_for_ink_or_folds(shared: Path) -> None:
    for image in sorted((shared / "her2st" / "ST-imgs").rglob("*.jpg"))[:3]:
        with open_slide(image, 0.6887) as slide:
            plan = plan_tiles(slide, find_tissue(slide))
        flagged = sum(int(tiles.sum()) for tiles in plan.flagged.values())
        assert flagged <= 0.01 * plan.n_tiles, (image.name, plan.left_out)
