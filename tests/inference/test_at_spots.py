"""A prediction at spots against the map's tiles and against what an evaluation predicts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders.packages import make_package
from builders.sections import make_section_files
from builders.slide_files import MPP, make_slide
from PIL import Image

from histospace_core.errors import ModelError, SlideError
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.inference.at_spots import (
    open_run_slide,
    predict_at,
    require_run_model,
    require_run_slide,
)
from histospace_core.inference.prediction import Prediction
from histospace_core.networks import HistoSPACEPlus, ModelPackage
from histospace_core.slides.open import open_slide
from histospace_core.training import Section
from histospace_core.training.histospace_plus import TrainedPlus
from histospace_core.training.registry import method_named


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return make_package(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "slide.png")


@pytest.fixture(scope="module")
def run(
    slide_file: Path, package: ModelPackage, tmp_path_factory: pytest.TempPathFactory
) -> Prediction:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with open_slide(slide_file, MPP) as slide:
        predict_slide(slide, package, folder, fast=False)
    return open_prediction(folder)


def test_a_spot_on_the_centre_of_a_tile_gets_the_value_of_the_map(
    slide_file: Path, package: ModelPackage, run: Prediction
) -> None:
    with open_slide(slide_file, MPP) as slide:
        there = predict_at(slide, package, run.centres, device="cpu")
        beside = predict_at(slide, package, run.centres + 40, device="cpu")
    assert there.readable.all()
    np.testing.assert_allclose(there.expression, run.matrix(), atol=1e-4)  # float16 in the store
    assert np.abs(beside.expression - run.matrix()).max() > 1e-3, "another place, another value"


@pytest.mark.parametrize("mpp", [MPP, 0.5])
def test_it_is_what_an_evaluation_predicts_for_the_section(tmp_path: Path, mpp: float) -> None:
    files = make_section_files(tmp_path, "B4", seed=1)
    section = Section("B4", "B", files.image, files.counts, files.spots, mpp)
    data = method_named("histospace-plus").load([section], "none")["B4"]
    package = make_package(tmp_path, plus=True)
    network, domain = package.load()
    assert isinstance(network, HistoSPACEPlus)
    assert domain is not None
    expected = TrainedPlus(network, domain).predict(data)
    with open_slide(files.image, mpp) as slide:
        found = predict_at(slide, package, data.centres, device="cpu")
    np.testing.assert_allclose(found.expression, expected, atol=1e-5)
    assert expected.std(0).min() > 1e-4, "else any prediction would be equal"


def test_a_stain_is_fitted_on_the_slide(tmp_path: Path) -> None:
    files = make_section_files(tmp_path, "B4", seed=1)
    section = Section("B4", "B", files.image, files.counts, files.spots, MPP)
    data = method_named("histospace-plus").load([section], "reinhard")["B4"]
    package = make_package(tmp_path, plus=True)
    network, domain = package.load()
    assert isinstance(network, HistoSPACEPlus)
    assert domain is not None
    expected = TrainedPlus(network, domain).predict(data)
    with open_slide(files.image, MPP) as slide:
        found = predict_at(slide, package, data.centres, stain="reinhard", device="cpu")
        plain = predict_at(slide, package, data.centres, device="cpu")
    np.testing.assert_allclose(found.expression, expected, atol=1e-5)
    assert np.abs(plain.expression - expected).max() > 1e-3


def test_a_tile_that_cannot_be_read_is_named_and_the_others_keep_their_values(
    slide_file: Path, package: ModelPackage, run: Prediction, tmp_path: Path
) -> None:
    whole, bad = tmp_path / "whole.tif", tmp_path / "bad.tif"
    pixels = np.asarray(Image.open(slide_file))
    tifffile.imwrite(whole, pixels, tile=(128, 128), photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(whole) as tiff:
        first, size = (getattr(tiff.pages[0], k)[60] for k in ("dataoffsets", "databytecounts"))
    data = bytearray(whole.read_bytes())
    data[first : first + size] = bytes(size)
    bad.write_bytes(data)
    with open_slide(whole, MPP) as slide:
        expected = predict_at(slide, package, run.centres, device="cpu")
    with open_slide(bad, MPP) as slide:
        found = predict_at(slide, package, run.centres, device="cpu")
    y, x = (128 * i for i in divmod(60, 11))
    near = (np.abs(run.centres - [x + 64, y + 64]) < 128).all(1)
    assert near.any()
    assert np.array_equal(found.readable, ~near)
    assert np.isnan(found.expression[near]).all()
    np.testing.assert_allclose(found.expression[~near], expected.expression[~near], atol=1e-6)


def test_another_slide_is_refused(slide_file: Path, run: Prediction, tmp_path: Path) -> None:
    other = make_slide(tmp_path / "other.png", seed=1)
    with pytest.raises(SlideError, match=r"not the slide that the run predicted \('slide\.png'\)"):
        open_run_slide(other, run.record)
    with (
        open_slide(other, MPP) as slide,
        pytest.raises(SlideError, match="not the slide that the run predicted"),
    ):
        require_run_slide(slide, run.record)
    with (
        open_slide(slide_file, 0.5) as slide,
        pytest.raises(SlideError, match=r"the run read this slide at 0\.69 um/px"),
    ):
        require_run_slide(slide, run.record)


def test_the_slide_is_opened_as_the_run_read_it(slide_file: Path, run: Prediction) -> None:
    with open_run_slide(slide_file, run.record) as slide:
        assert slide.mpp == MPP
        require_run_slide(slide, run.record)


def test_a_model_that_changed_is_refused(package: ModelPackage, run: Prediction) -> None:
    require_run_model(package, run.record)
    record = run.record.model_copy(
        update={"model": run.record.model.model_copy(update={"sha256": "0" * 64})}
    )
    with pytest.raises(ModelError, match="'small' has changed since this run was made"):
        require_run_model(package, record)
    changed = replace(package, config={**package.config, "name": "x"})
    require_run_model(changed, run.record)
