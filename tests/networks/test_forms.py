"""The faster forms of the networks on real tissue, beside the plain ones."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.checkout import PROJECT

from histospace_core.networks import ModelPackage, Predictor, load_package
from histospace_core.networks.predictor import AGREEMENT, compare
from histospace_core.remembered import machine
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tiles import sample_tiles, tiles_at
from histospace_core.slides.tissue import find_tissue

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
pytestmark = pytest.mark.usefixtures("own_store")  # where the choice of a form is remembered


def tissue_of(package: ModelPackage, shared: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the views that a run would tune on, and those of sixty other tiles."""
    image = next((shared / "her2st" / "ST-imgs").rglob("*.jpg"))
    views = package.views
    with open_slide(image, 0.6887) as slide:
        plan = plan_tiles(
            slide, find_tissue(slide), tile_px=views[0].px, um_per_px=views[0].um_per_px
        )
        others = plan.centres[5 :: plan.n_tiles // 60]
        seen = [tiles_at(slide, others, tile_px=v.px, um_per_px=v.um_per_px) for v in views]
        return sample_tiles(slide, plan, views), seen


@pytest.mark.shared
@pytest.mark.parametrize("name", ["histospace-her2st", "histospace-plus-her2st"])
def test_the_quick_form_agrees_with_the_plain_one(name: str, shared: Path) -> None:
    package = load_package(PROJECT / "models" / name)
    sample, others = tissue_of(package, shared)
    with Predictor(package, "cpu") as predict:
        exact, domain = predict(*others)
        predict.tune(*sample)
        assert predict.encoder.name.startswith("int8")
        found, domain_quick = predict(*others)
        alone, _ = predict(*(view[7:8] for view in others))
    agreement = compare(exact, found)
    on_avx2 = machine()["instruction_set"] == "AVX2"  # whose weights have 7 bits
    assert 1 - agreement.mean_r < AGREEMENT
    assert agreement.largest_difference < 0.06
    assert np.abs(domain - domain_quick).mean() < (0.04 if on_avx2 else 0.02)
    assert np.abs(domain - domain_quick).max() < (0.2 if on_avx2 else 0.1)
    np.testing.assert_allclose(found[7:8], alone, atol=1e-4)


def test_a_form_that_does_not_agree_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histospace_core.networks.predictor.AGREEMENT", 1e-9)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    with Predictor(load_package(PROJECT / "models" / "histospace-her2st"), "cpu") as predict:
        predict.tune(tiles)
        record = predict.record()
    assert record["arithmetic"] == "fp32"
    assert "with fp32" in record["refused"][0]
    assert record["kernel_note"].startswith("Runs in plain fp32: int8: mean r 0.99")
    assert record["agreement_with_fp32"] is None


def test_a_machine_without_openvino_predicts_in_fp32_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    with Predictor(load_package(PROJECT / "models" / "histospace-her2st"), "cpu") as predict:
        expected = predict(tiles)[0]
        predict.tune(tiles)
        np.testing.assert_array_equal(predict(tiles)[0], expected)
        note = predict.record()["kernel_note"]
    assert note.startswith("Runs in plain fp32: int8: ")
    assert "openvino" in note


def test_the_fastest_form_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = [np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)] * 5
    package = load_package(PROJECT / "models" / "histospace-plus-her2st")
    found = []
    for seconds in (iter([2.0, 1.0]), iter([])):  # the second time, nothing is timed
        monkeypatch.setattr(
            "histospace_core.networks.predictor._seconds", lambda _, s=seconds: next(s)
        )
        with Predictor(package, "cpu") as predict:
            predict.tune(*tiles)
            found.append(predict.record()["arithmetic"])
    assert found[0] == found[1]
    assert found[0].startswith("int8")


def test_openvino_has_no_usage_statistics() -> None:
    code = (
        "import sys, numpy as np; sys.path += ['tests']\n"
        "from networks.test_forms import *\n"
        "predict = Predictor(load_package(PROJECT / 'models' / 'histospace-her2st'), 'cpu')\n"
        "predict.tune(np.zeros((2, 128, 128, 3), np.uint8))\n"
        "assert 'openvino' in sys.modules\n"
        "assert not [m for m in sys.modules if m.startswith('openvino_telemetry.')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", ["histospace-her2st", "histospace-plus-her2st"])
def test_a_processor_with_avx2_only_has_a_fast_form_too(name: str, shared: Path) -> None:
    code = (
        "import sys; sys.path += ['tests']\n"
        "from networks.test_forms import *\n"
        f"test_the_quick_form_agrees_with_the_plain_one('{name}', Path('{shared}'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, **AVX2},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_genes_that_do_not_vary_do_not_count() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    x[:, 1] = 0.5
    y = x + 0.1
    found = compare(x, y)
    assert found.mean_r == pytest.approx(1, abs=1e-5)
    assert found.largest_difference == pytest.approx(0.1, abs=1e-5)


def test_a_last_look_at_all_tiles_together() -> None:
    """A network with `smooth` is given the good tiles only; one without is left alone."""
    with Predictor(load_package(PROJECT / "models" / "histospace-her2st"), "cpu") as predict:
        codes = np.arange(6, dtype=np.float32).reshape(3, 2)
        good = np.array([True, False, True])
        assert predict.smooth(codes.copy, np.zeros((3, 2)), good) is None
        predict.network.__dict__["smooth"] = lambda c, *_: np.broadcast_to(c.mean(0), c.shape)
        smoothed = predict.smooth(codes.copy, np.zeros((3, 2)), good)
    assert smoothed is not None
    assert smoothed.tolist() == [[2, 3], [2, 3], [2, 3]]
