"""A slide's patches are computed once, and a tile's value does not depend on what else is read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.packages import make_package
from builders.slide_files import MPP, make_slide

from histospace_core.networks import ModelPackage, Predictor
from histospace_core.networks.dense import DenseEncoder, PlainMaps
from histospace_core.networks.forms import CompiledMaps, PlainEncoder
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.patches import Windows
from histospace_core.slides.tiles import cut_spot_windows


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Slide:
    return open_slide(make_slide(tmp_path_factory.mktemp("slide") / "slide.png"), MPP)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return make_package(tmp_path_factory.mktemp("models"), plus=True)


@pytest.fixture(scope="module")
def predict(package: ModelPackage) -> Predictor:
    return Predictor(package, "cpu")


def codes_at(
    predict: Predictor, slide: Slide, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    seen = cut_spot_windows(slide, centres, predict.package.views)
    return predict.encode_windows(seen.windows)


def test_a_centre_has_the_same_value_alone_and_among_others(
    predict: Predictor, slide: Slide
) -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, [slide.width, slide.height], (40, 2))
    together, domain = codes_at(predict, slide, centres)
    for i in range(0, 40, 7):
        alone, domain_alone = codes_at(predict, slide, centres[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i], atol=1e-4)
        np.testing.assert_allclose(domain_alone[0], domain[i], atol=1e-4)
    assert together.std(0).min() > 1e-3, "else they agree on nothing"


def test_windows_that_are_patches_give_what_the_network_gives(predict: Predictor) -> None:
    rng = np.random.default_rng(1)
    views = [rng.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8) for _ in predict.package.views]
    tensors = [torch.from_numpy(view) for view in views]
    with torch.inference_mode():
        expected = PlainEncoder(predict.network)(*tensors)
        of_views = predict.encoder(*tensors)
    assert isinstance(predict.encoder, DenseEncoder)
    found = predict.encoder.windows(
        [Windows.of_views(view) for view in views], predict.device, batch=2
    )
    for values in (of_views, tuple(map(torch.from_numpy, found))):
        for value, wanted in zip(values, expected, strict=True):
            torch.testing.assert_close(value, wanted, atol=1e-4, rtol=1e-4)


def test_a_value_moves_smoothly_with_its_centre(predict: Predictor, slide: Slide) -> None:
    """Means move smoothly; maxima jump by whole cells, and only they may jump."""
    steps = np.linspace(0, 200, 41)
    line = np.column_stack([400 + steps, np.full(41, 500.0)])
    codes, _ = codes_at(predict, slide, line)
    jumps = np.abs(np.diff(codes, axis=0))
    assert jumps.max() < 0.5 * np.ptp(codes, 0).max()


def test_the_maps_of_a_patch_add_up_to_its_codes(predict: Predictor) -> None:
    network = predict.network
    assert isinstance(network, HistoSPACEPlus)
    patches = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        wide, narrow = PlainMaps(network)(4, patches), PlainMaps(network)(0, patches)
    assert wide.peaks is None
    assert wide.texture is None
    assert narrow.scores.shape == (3, network.n_programmes, 8, 8)
    assert narrow.peaks is not None
    assert narrow.peaks.shape == (3, 128, 8, 8)


def test_the_form_for_a_gpu_agrees_with_the_plain_one(predict: Predictor) -> None:
    """Its logic, on a CPU and without a compiler."""
    network = predict.network
    assert isinstance(network, HistoSPACEPlus)
    form = CompiledMaps(network, compiler=lambda run, **_: run)
    patches = torch.randint(0, 256, (5, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for i in range(5):
            found, expected = form(i, patches), PlainMaps(network)(i, patches)
            assert found.scores.shape == expected.scores.shape
            torch.testing.assert_close(found.scores, expected.scores, atol=0.05, rtol=0.05)
            for name in ("texture", "peaks"):
                rough, exact = getattr(found, name), getattr(expected, name)
                assert (rough is None) == (exact is None)
                if exact is not None:
                    tolerance = 1e-6 if name == "texture" else 0.05
                    torch.testing.assert_close(rough, exact, atol=tolerance, rtol=tolerance)


def test_patches_that_cannot_be_read_lose_only_the_windows_that_touch_them(
    slide: Slide, package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histospace_core.errors import SlideError

    whole = Slide.read
    side = 64 * package.um_per_px / slide.mpp

    def damaged(self: Slide, x: float, y: float, w: float, h: float, *out: int) -> np.ndarray:
        if x < 2.5 * side < x + w and y < 2.5 * side < y + h:
            raise SlideError("damaged", path=Path("slide"))
        return whole(self, x, y, w, h, *out)

    monkeypatch.setattr(Slide, "read", damaged)
    centres = np.array([[0.5, 0.5], [2.5, 2.5], [2.0, 2.5], [3.6, 2.5]]) * side
    seen = cut_spot_windows(slide, centres, package.views[:1])
    assert seen.readable.tolist() == [True, False, False, True]
