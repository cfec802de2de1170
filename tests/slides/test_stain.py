import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histospace_core.errors import SlideError, TissueError
from histospace_core.slides.open import RGB, Slide, open_slide
from histospace_core.slides.stain import TEMPLATES, StainNormaliser, fit_stain
from histospace_core.slides.stain_methods import (
    METHODS,
    RUIFROK,
    concentrations,
    optical_density,
)
from histospace_core.slides.tiles import tiles_at
from histospace_core.slides.tissue import Tissue, find_tissue

STAINS_A = np.array([[0.65, 0.70, 0.29], [0.10, 0.95, 0.30]])
STAINS_B = np.array([[0.75, 0.58, 0.32], [0.25, 0.80, 0.55]])
BLANK = np.full((1, 64, 64, 3), 255, np.uint8)


def stained(stains: np.ndarray, depth: tuple[float, float], folder: Path, name: str) -> Path:
    """The same tissue, nuclei in eosinophilic stroma, in another stain and depth of it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:900, :900] / 900
    tissue = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.16
    blobs = np.kron(rng.random((113, 113)) < 0.3, np.ones((8, 8)))[:900, :900]
    stroma = np.kron(rng.uniform(0.3, 1, (225, 225)), np.ones((4, 4)))
    amounts = np.stack([blobs * rng.uniform(0.8, 1.2, blobs.shape), stroma * (1 - 0.8 * blobs)], -1)
    density = (amounts * depth * tissue[..., None]) @ (
        stains / np.linalg.norm(stains, axis=1)[:, None]
    )
    image = (250 * np.exp(-density)).clip(0, 255).astype(np.uint8)
    Image.fromarray(image).save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stains")
    return (
        stained(STAINS_A, (1.4, 0.6), folder, "a.png"),
        stained(STAINS_B, (0.9, 1.0), folder, "b.png"),
    )


def distance(a: RGB, b: RGB) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize(
    ("name", "closer"), [("vahadane", 0.5), ("macenko", 0.5), ("reinhard", 0.8)]
)
def test_two_stainings_of_one_tissue_come_closer(
    pair: tuple[Path, Path], name: str, closer: float
) -> None:
    raw, normal, template = [], [], None
    for path in pair:
        with open_slide(path, 0.69) as slide:
            tissue = find_tissue(slide)
            template = template or fit_stain(name, slide, tissue).parameters["source"]
            normalise = fit_stain(name, slide, tissue, template=template)
            tiles = tiles_at(slide, [[400, 400], [500, 450], [450, 550]])
        raw.append(tiles)
        normal.append(normalise(tiles))
        assert np.array_equal(normalise(BLANK), BLANK)
        json.dumps(normalise.parameters)
    assert distance(*normal) < closer * distance(*raw)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same(pair: tuple[Path, Path], name: str) -> None:
    with open_slide(pair[0], 0.69) as slide:
        tissue = find_tissue(slide)
        one, two = (fit_stain(name, slide, tissue, seed=3) for _ in range(2))
        tiles = tiles_at(slide, [[450, 450]])
    assert one.parameters == two.parameters
    assert np.array_equal(one(tiles), two(tiles))


@pytest.mark.parametrize("name", ["vahadane", "macenko"])
def test_the_stains_that_were_used_are_found(pair: tuple[Path, Path], name: str) -> None:
    with open_slide(pair[0], 0.69) as slide:
        found = fit_stain(name, slide, find_tissue(slide)).parameters["source"]
    true = STAINS_A / np.linalg.norm(STAINS_A, axis=1)[:, None]
    assert ((np.array(found["stains"]) * true).sum(1) > 0.97).all()  # haematoxylin first


def test_none_changes_nothing(png: Path, mpp: float, pixels: RGB) -> None:
    with open_slide(png, mpp) as slide:
        normalise = fit_stain("none", slide, find_tissue(slide))
    assert normalise(pixels[None]) is not None
    assert np.array_equal(normalise(pixels[None])[0], pixels)
    assert normalise == StainNormaliser("none", {})


@pytest.mark.parametrize("name", METHODS)
def test_shapes(png: Path, mpp: float, name: str) -> None:
    with open_slide(png, mpp) as slide:
        normalise = fit_stain(name, slide, find_tissue(slide))
    assert normalise(np.empty((0, 128, 128, 3), np.uint8)).shape == (0, 128, 128, 3)
    tiles = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    out = normalise(tiles)
    assert (out.shape, out.dtype) == (tiles.shape, np.uint8)
    assert np.array_equal(normalise(tiles[1:2]), out[1:2])  # a tile's look is its own


def tissue_everywhere(slide: Slide) -> Tissue:
    return Tissue(np.ones((10, 10), bool), slide.width / 10, slide.height / 10, 8.0)


@pytest.mark.parametrize("name", METHODS)
def test_a_blank_slide_is_refused(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (600, 600), "white").save(tmp_path / "a.png")
    with (
        open_slide(tmp_path / "a.png", 0.69) as slide,
        pytest.raises(TissueError, match="too little tissue"),
    ):
        fit_stain(name, slide, tissue_everywhere(slide))


@pytest.mark.parametrize("name", ["vahadane", "macenko"])
def test_one_colour_has_no_two_stains(tmp_path: Path, name: str) -> None:
    image = Image.new("RGB", (900, 900), "white")
    image.paste((200, 100, 150), (100, 100, 800, 800))
    image.save(tmp_path / "a.png")
    with (
        open_slide(tmp_path / "a.png", 0.69) as slide,
        pytest.raises(TissueError, match="does not show two stains"),
    ):
        fit_stain(name, slide, Tissue(np.ones((1, 1), bool), 900, 900, 621))


def test_unknown_stain(png: Path, mpp: float) -> None:
    with open_slide(png, mpp) as slide, pytest.raises(SlideError, match="choose one of none, vah"):
        fit_stain("magic", slide, tissue_everywhere(slide))


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=20))
def test_concentrations_undo_the_mixing(amounts: list[tuple[float, float]]) -> None:
    stains = RUIFROK / np.linalg.norm(RUIFROK, axis=1, keepdims=True)
    assert np.allclose(concentrations(np.array(amounts) @ stains, stains), amounts, atol=1e-6)


@given(st.lists(st.tuples(*[st.floats(0, 5)] * 3), min_size=1, max_size=20))
def test_concentrations_are_the_non_negative_least_squares(
    density: list[tuple[float, float, float]],
) -> None:
    from scipy.optimize import nnls

    stains = STAINS_B / np.linalg.norm(STAINS_B, axis=1, keepdims=True)
    found = concentrations(np.array(density), stains)
    for row, value in zip(density, found, strict=True):
        assert np.allclose(nnls(stains.T, np.array(row))[0], value, atol=1e-6)


def test_white_has_no_density() -> None:
    assert optical_density([255, 255, 255]).tolist() == [0, 0, 0]


@pytest.mark.shared
@pytest.mark.parametrize("name", METHODS)
def test_the_template_is_section_c5(shared: Path, name: str) -> None:
    image = next((shared / "her2st/ST-imgs/C/C5").glob("*.jpg"))
    with open_slide(image, 0.69) as slide:
        found = fit_stain(name, slide, find_tissue(slide)).parameters["source"]
    for key, value in TEMPLATES[name].items():
        assert np.allclose(found[key], value, rtol=0.02, atol=0.02)
