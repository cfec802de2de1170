"""A slide's patches are computed once, and a tile's value does not depend on what else is read."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.packages import make_package
from builders.slide_files import MPP, make_slide

from histospace_core.networks import ModelPackage, Predictor
from histospace_core.networks.dense import DenseEncoder, PlainMaps
from histospace_core.networks.device_pooling import Windowed
from histospace_core.networks.forms import GPUEncoder, GPUMaps, PlainEncoder, gpu_forms, rounds
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.patches import Windows
from histospace_core.slides.pooling import window_maxima, window_means
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
    form = GPUMaps(network, rounded=True, compiler=lambda run, **_: run)
    assert form.name == "bf16 and fp32, compiled"
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


def test_a_compiler_compiles_twice_for_all_views(predict: Predictor) -> None:
    """Once for views with a tuned encoder, and once for the others."""
    network = predict.network
    assert isinstance(network, HistoSPACEPlus)
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    compiler = partial(torch.compile, backend=backend, fullgraph=True)
    form = GPUMaps(network, rounded=True, compiler=compiler)
    eager = GPUMaps(network, rounded=True)
    other = Predictor(predict.package, "cpu").network
    assert isinstance(other, HistoSPACEPlus)
    again = GPUMaps(other, rounded=True, compiler=compiler)
    patches = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for i in range(5):
            found, expected = form(i, patches), eager(i, patches)
            torch.testing.assert_close(found.scores, expected.scores)
        again(0, patches)
    assert len(graphs) == 2, "a second run in this process has nothing to compile"


def test_a_card_without_bf16_computes_in_fp32(
    predict: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = torch.device("cuda")
    for capability, known in ((7, 5), False), ((8, 0), True), ((9, 0), True):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert rounds(card) is known
    assert list(gpu_forms(predict.network, rounded=True)) == ["bf16", "compiled"]
    forms = gpu_forms(predict.network, rounded=False, compiler=lambda run, **_: run)
    assert list(forms) == ["compiled"]
    plain = forms["compiled"]()
    assert plain.name == "fp32, compiled"
    views = [torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)] * 5
    with torch.inference_mode():
        torch.testing.assert_close(plain(*views), predict.encoder(*views))
        rounded = GPUEncoder(predict.network, rounded=True)(*views)[0]
    torch.testing.assert_close(rounded, plain(*views)[0], atol=0.05, rtol=0.05)


def test_blocks_encoded_together_as_on_a_gpu_have_the_values_of_each(
    predict: Predictor, slide: Slide
) -> None:
    rng = np.random.default_rng(2)
    views = predict.package.views
    blocks = []
    for low in (0, 400, 800):  # of unequal sizes
        centres = rng.uniform(low, low + 100 + low / 2, (9, 2))
        blocks.append(cut_spot_windows(slide, centres, views).windows)
    expected = [predict.encode_windows(block) for block in blocks]
    together = [Windows.stacked(parts) for parts in zip(*blocks, strict=True)]
    found = list(predict.encode_ahead([together, blocks[1]]))
    for (codes, domain), wanted in zip(found, (expected, expected[1:2]), strict=True):
        assert codes.dtype == np.float32
        np.testing.assert_allclose(codes, np.concatenate([w[0] for w in wanted]), atol=1e-4)
        np.testing.assert_allclose(domain, np.concatenate([w[1] for w in wanted]), atol=1e-4)


def test_pooling_on_a_device_equals_that_in_numpy() -> None:
    rng = np.random.default_rng(3)
    places = np.argwhere(rng.random((4, 5)) < 0.8)
    for cells in (8, 1):
        maps = rng.normal(size=(len(places), 3, cells, cells)).astype(np.float32)
        reach = np.array([5, 4]) * cells - cells
        corners = np.concatenate([rng.uniform(0, reach, (20, 2)), [[0, 0], reach]])
        windows = Windows(
            np.empty((len(places), 0), np.uint8), places, (4, 5), corners, np.ones(22, bool), cells
        )
        there = Windowed(torch.from_numpy(places), torch.from_numpy(corners), (4, 5), cells)
        tensor = torch.from_numpy(maps)
        np.testing.assert_allclose(there.means(tensor), window_means(maps, windows), atol=1e-6)
        np.testing.assert_array_equal(there.maxima(tensor), window_maxima(maps, windows))


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
