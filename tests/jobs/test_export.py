"""An export as a job."""

from pathlib import Path

import pytest
from builders.packages import make_package
from builders.slide_files import MPP, make_slide
from jobs.conftest import Workshop

from histospace_core.catalog import State
from histospace_core.errors import JobError
from histospace_core.inference import predict_slide
from histospace_core.slides.open import open_slide


def test_only_a_finished_prediction_is_exported(shop: Workshop) -> None:
    run = shop.catalog.add_run(shop.slide(), "m", {}, runs_dir=shop.settings.runs_dir)
    with pytest.raises(JobError, match="finished prediction"):
        shop.jobs.submit_export(run.id, "csv", ".csv")


@pytest.mark.slow
def test_a_worker_makes_the_file_in_the_runs_folder(shop: Workshop, tmp_path: Path) -> None:
    source = shop.catalog.add_run(shop.slide(), "m", {}, runs_dir=shop.settings.runs_dir)
    with open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide:
        predict_slide(slide, make_package(tmp_path), source.directory)
    claimed = shop.catalog.claim(source.id, "test")
    assert claimed is not None
    shop.catalog.finish(source.id, attempt=claimed.attempt)
    run_id = shop.jobs.submit_export(source.id, "geojson", ".geojson", ["ERBB2"])
    run = shop.wait_end(run_id, seconds=120)
    assert (run.state, run.error) == (State.DONE, None)
    file = run.directory / "exports" / run.record.file
    assert file.stat().st_size == run.record.bytes
    assert "ERBB2" in file.read_text("utf-8")
    wrong = shop.wait_end(shop.jobs.submit_export(source.id, "csv", ".csv", ["NOPE"]), seconds=120)
    assert wrong.state == State.FAILED
    assert "no gene NOPE" in str(wrong.error)
