"""The faster forms of the networks on real tissue, beside the plain ones."""

from pathlib import Path

import numpy as np
import pytest
from builders.checkout import PROJECT

from histospace_core.networks import ModelPackage, Predictor, load_package
from histospace_core.networks.onednn import has_int8
from histospace_core.networks.predictor import AGREEMENT, compare
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tiles import sample_tiles, tiles_at
from histospace_core.slides.tissue import find_tissue

needs_int8 = pytest.mark.skipif(not has_int8(), reason="this processor has no AVX-512 VNNI")


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


@needs_int8
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
    assert 1 - agreement.mean_r < AGREEMENT
    assert agreement.largest_difference < 0.06
    assert np.abs(domain - domain_quick).mean() < 0.02
    assert np.abs(domain - domain_quick).max() < 0.1
    np.testing.assert_allclose(found[7:8], alone, atol=1e-4)


@needs_int8
def test_a_form_that_does_not_agree_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histospace_core.networks.predictor.AGREEMENT", 1e-9)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    with Predictor(load_package(PROJECT / "models" / "histospace-her2st"), "cpu") as predict:
        predict.tune(tiles)
        assert predict.encoder.name == "fp32"
        assert "with fp32" in predict.record()["refused"][0]
        assert predict.record()["agreement_with_fp32"] is None


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
        predict.network.__dict__["smooth"] = lambda c, centres: np.broadcast_to(c.mean(0), c.shape)
        smoothed = predict.smooth(codes.copy, np.zeros((3, 2)), good)
    assert smoothed is not None
    assert smoothed.tolist() == [[2, 3], [2, 3], [2, 3]]
