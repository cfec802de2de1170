"""The engine on slides with faults, and killed on its way."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders.packages import make_package

from benchmarks.make_slide import make_slide
from histospace_core.errors import TissueError
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.networks import ModelPackage
from histospace_core.slides.open import open_slide

KILLS = 5

RUN = """
import sys
from pathlib import Path
from histospace_core.inference import predict_slide
from histospace_core.networks import load_package
from histospace_core.slides.open import open_slide
from histospace_core.slides import plan
plan.CHUNK_TILES = 60
with open_slide(sys.argv[1]) as slide:
    predict_slide(slide, load_package(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return make_package(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "slide.tif", 5120)


def damage(source: Path, to: Path, share: float) -> Path:
    """Copy a slide with the JPEG tiles of a share of its first level overwritten."""
    data = bytearray(source.read_bytes())
    with tifffile.TiffFile(source) as tiff:
        page = tiff.pages.first
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    full = [place for place in places if place[1] > 5_000]
    for offset, size in full[len(full) // 2 :][: max(1, round(share * len(full)))]:
        data[offset : offset + size] = b"\0" * size
    to.write_bytes(data)
    return to


def test_a_damaged_tile_is_counted_and_the_run_goes_on(
    slide_file: Path, package: ModelPackage, tmp_path: Path
) -> None:
    with open_slide(damage(slide_file, tmp_path / "bad.tif", 0)) as slide:
        run = predict_slide(slide, package, tmp_path / "run")
    lost = run.record.tiles.by_reason["unreadable"]
    assert 1 <= lost <= 9
    prediction = open_prediction(tmp_path / "run")
    nowhere = (prediction.obs["qc"] == "unreadable").to_numpy()
    assert nowhere.sum() == lost
    assert np.isnan(prediction.matrix()[nowhere]).all()
    assert len(run.record.tiles.unreadable_at_level0_px) == lost


def test_too_much_damage_is_said(slide_file: Path, package: ModelPackage, tmp_path: Path) -> None:
    with (
        open_slide(damage(slide_file, tmp_path / "bad.tif", 0.4)) as slide,
        pytest.raises(TissueError, match=r"\d+% of the tissue of bad.tif cannot be read"),
    ):
        predict_slide(slide, package, tmp_path / "run")


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_in_the_same_store(
    slide_file: Path, package: ModelPackage, tmp_path: Path
) -> None:
    def start(run: Path) -> subprocess.Popen[bytes]:
        arguments = [str(slide_file), str(package.directory), str(run)]
        return subprocess.Popen([sys.executable, "-c", RUN, *arguments])

    started = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    seconds = time.monotonic() - started
    chance = random.Random(0)
    for kill in range(KILLS):
        run = tmp_path / f"killed{kill}"
        process = start(run)
        time.sleep(chance.uniform(0.4, 1) * seconds)
        process.kill()
        process.wait()
        if not (run / "prediction.zarr").exists():
            assert start(run).wait() == 0
        whole, again = open_prediction(tmp_path / "whole"), open_prediction(run)
        np.testing.assert_array_equal(again.matrix(), whole.matrix())
        assert again.obs.equals(whole.obs)
