"""Exports opened by scanpy, squidpy and spatialdata, in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.checkout import PROJECT
from builders.packages import make_package
from builders.slide_files import MPP, make_slide

from histospace_core.exports import export_run
from histospace_core.inference import Prediction, open_prediction, predict_slide
from histospace_core.slides.open import open_slide

SCRIPT = PROJECT / "tests" / "interop" / "open_elsewhere.py"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prediction(tmp_path_factory: pytest.TempPathFactory) -> Prediction:
    folder = tmp_path_factory.mktemp("run")
    with open_slide(make_slide(folder / "slide.png"), MPP) as slide:
        predict_slide(slide, make_package(folder), folder / "run", fast=False)
    return open_prediction(folder / "run")


def opened(library: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, library, path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_scanpy_analyses_and_draws_the_h5ad(prediction: Prediction, tmp_path: Path) -> None:
    export_run(prediction.run_dir, "h5ad", tmp_path / "run.h5ad")
    found = opened("scanpy", tmp_path / "run.h5ad")
    good = (prediction.obs["qc"] == "ok").to_numpy()
    assert found["shape"] == [good.sum(), len(prediction.genes)]
    assert found["pca_is_finite"]
    assert found["pictures_drawn"] == 1, "the slide lies under the tiles"
    inside = np.zeros(good.sum(), bool)
    inside[found["inside"]] = True
    values = prediction.gene(found["gene"])[good].astype(np.float64)
    counts = 10.0 ** np.array([values[inside].mean(), values[~inside].mean()]) - 1
    expected = np.log2(counts[0] / counts[1])
    assert found["log2_fold_change"] == pytest.approx(expected, abs=1e-3), "base of the logarithm"


def test_squidpy_finds_neighbours_and_draws_tiles_at_their_size(
    prediction: Prediction, tmp_path: Path
) -> None:
    export_run(prediction.run_dir, "h5ad", tmp_path / "run.h5ad")
    found = opened("squidpy", tmp_path / "run.h5ad")
    assert found["neighbours"] == 4
    assert set(found["moran"]) == set(prediction.genes)
    assert all(np.isfinite(list(found["moran"].values())))
    assert found["pictures_drawn"] == 1
    assert found["squares"] == (prediction.obs["qc"] == "ok").sum()
    side = prediction.tile_level0 * found["scale"]
    assert found["side_on_picture"] == pytest.approx(side, rel=0.01)


def test_spatialdata_joins_tiles_table_and_picture(prediction: Prediction, tmp_path: Path) -> None:
    export_run(prediction.run_dir, "spatialdata", tmp_path / "run.zarr")
    found = opened("spatialdata", tmp_path / "run.zarr")
    n = int((prediction.obs["qc"] == "ok").sum())
    assert found["elements"] == ["slide", "table", "tiles"]
    assert found["coordinate_systems"] == ["global"]
    assert found["joined"] == [n, n]
    assert found["same_order"]
    assert found["areas"] == pytest.approx([prediction.tile_level0**2], rel=1e-4)
    np.testing.assert_allclose(found["centres"], found["table_positions"])
    slide = prediction.record.slide
    assert found["picture"] == {"x": [0, slide.width], "y": [0, slide.height]}
