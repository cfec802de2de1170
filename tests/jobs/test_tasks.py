"""Real predictions, trainings and evaluations, run as the app runs them."""

import csv
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from builders.adaptable import make_model_for, make_visible_section
from builders.packages import make_package
from builders.sections import make_section_files
from builders.slide_files import MPP, make_two_series
from jobs.conftest import Workshop

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.catalog import State
from histospace_core.errors import JobError
from histospace_core.inference import open_prediction
from histospace_core.sample.phantom import Phantom, make_phantom
from histospace_core.slides.open import open_slide
from histospace_core.training.loss_log import read_losses
from histospace_core.web.predict.preview import colour_profile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Workshop]:
    """Jobs that beat as installed: real work on a busy machine must not look dead."""
    workshop = Workshop(tmp_path / "store", heartbeat_s=5.0)
    yield workshop
    workshop.close()


@pytest.fixture
def slide_id(own_shop: Workshop, phantom: Phantom) -> str:
    with open_slide(phantom.image) as slide:
        return own_shop.catalog.add_slide(
            phantom.image, "phantom.tif", slide.sha256(), slide.properties
        ).id


def test_a_prediction_whose_worker_is_killed_equals_one_in_a_piece(
    own_shop: Workshop, slide_id: str
) -> None:
    model = own_shop.catalog.register(make_package(own_shop.settings.models))
    submit = own_shop.jobs.submit_prediction
    run_id = submit(slide_id, model.name, stride_um=70)
    assert submit(slide_id, model.name, stride_um=70) == run_id  # a double click
    run = own_shop.wait(run_id, lambda run: 0 < run.done < run.total, seconds=120)
    os.kill(int(run.worker.split("/")[1]), signal.SIGKILL)
    run = own_shop.wait_end(run_id, seconds=300)  # Dask sends it to another worker
    assert (run.state, run.error, run.attempt) == (State.DONE, None, 2)
    assert run.done == run.total > 0
    assert run.model_sha256 == model.sha256
    assert run.stored_record == json.loads((run.directory / "run.json").read_text())
    whole_id = submit(slide_id, model.name, stride_um=70)
    assert whole_id != run_id
    whole = own_shop.wait_end(whole_id, seconds=300)
    pieces, piece = open_prediction(run.directory), open_prediction(whole.directory)
    assert pieces.n_tiles == piece.n_tiles == run.total
    for gene in piece.genes:
        assert pieces.gene(gene) == pytest.approx(piece.gene(gene), abs=1e-5)


def test_a_prediction_is_cancelled(own_shop: Workshop, slide_id: str) -> None:
    make_package(own_shop.settings.models)
    run_id = own_shop.jobs.submit_prediction(slide_id, "small", stride_um=30)
    own_shop.wait(run_id, lambda run: run.done > 0, seconds=120)
    own_shop.jobs.cancel(run_id)
    run = own_shop.wait_end(run_id, seconds=30)
    assert run.state == State.CANCELLED
    assert run.done < run.total


def test_a_model_that_changed_meanwhile_is_not_used(own_shop: Workshop, slide_id: str) -> None:
    make_package(own_shop.settings.models)
    run_id = own_shop.jobs.submit_prediction(slide_id, "small", model_sha256="0" * 64)
    run = own_shop.wait_end(run_id, seconds=60)
    assert run.state == State.FAILED
    assert run.error == "Model small has changed since the run began: start a new run."


def test_a_prediction_reads_the_chosen_image_with_or_without_its_profile(
    own_shop: Workshop, tmp_path: Path
) -> None:
    file = make_two_series(tmp_path / "two.ome.tif", profile=wide_gamut_profile())
    with open_slide(file, series="right") as slide:
        name = slide.properties.icc
        row = own_shop.catalog.add_slide(
            file, "two.ome.tif", slide.sha256(), slide.properties, series="right"
        )
    assert name
    assert colour_profile(row) == name
    make_package(own_shop.settings.models)
    for icc, used in ((True, name), (False, "")):
        run_id = own_shop.jobs.submit_prediction(row.id, "small", icc=icc)
        run = own_shop.wait_end(run_id, seconds=300)
        assert (run.state, run.error) == (State.DONE, None)
        was = run.prediction_record.slide
        assert (was.series, was.width, was.icc) == ("right", 1300, used)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two sections of a few spots each, of two patients."""
    table = tmp_path / "cohort.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["section", "patient", "image", "counts", "spots", "mpp"])
        for seed, name in enumerate(("P1", "Q1")):
            files = make_section_files(tmp_path, name, seed, side=800)
            rows.writerow([name, name[0], *files, MPP])
    return table


def test_a_training_makes_a_registered_model(own_shop: Workshop, cohort: Path) -> None:
    submit = partial(own_shop.jobs.submit_training, cohort, name="mine", device="cpu")
    run_id = submit(epochs=1, autoencoder_epochs=1)
    assert submit(epochs=1, autoencoder_epochs=1) == run_id  # a double click
    with pytest.raises(JobError, match="a model named mine already"):
        submit(epochs=2)
    run = own_shop.wait_end(run_id, seconds=300)
    assert (run.state, run.error) == (State.DONE, None)
    assert run.stage
    assert run.record.model == "mine"
    losses = read_losses(run.directory)
    assert list(losses["stage"]) == ["autoencoder", "predictor"] * 3
    assert list(losses["part"].unique())[-1] == "all sections"
    assert (losses["loss"] > 0).all()
    model = own_shop.catalog.model(run.record.model)
    assert model.sha256 == run.record.model_sha256
    assert (Path(model.folder) / "model.safetensors").exists()
    assert Path(model.folder).parent == own_shop.settings.trained_dir


@pytest.mark.timeout(1200)  # fewer epochs do not fit the section, and then no model is kept
def test_an_adaptation_makes_a_registered_model_or_says_why_not(
    own_shop: Workshop, tmp_path: Path
) -> None:
    files = make_visible_section(tmp_path, "P1")
    before = make_model_for(own_shop.settings.models, files)
    with open_slide(files.image, MPP) as slide:
        row = own_shop.catalog.add_slide(files.image, "P1.png", slide.sha256(), slide.properties)
    submit = partial(own_shop.jobs.submit_adaptation, row.id, before.name, files.counts)
    run_id = submit(files.spots, name="after", patient="P", epochs=20, device="cpu")
    with pytest.raises(JobError, match="a model named after already"):
        submit(files.spots, name="after", patient="Q")
    run = own_shop.wait_end(run_id, seconds=1000)
    assert (run.state, run.error) == (State.DONE, None)
    assert (run.record.model, run.record.adapted_from) == ("after", before.name)
    assert read_losses(run.directory)["part"].unique()[-1] == "the whole section"
    model = own_shop.catalog.model("after")
    assert Path(model.folder).parent == own_shop.settings.trained_dir
    assert model.summary["adapted"]["patient"] == "P"
    run = own_shop.wait_end(submit(None, name="other"), seconds=60)
    assert run.state == State.FAILED
    assert "spot" in run.error
    assert not (run.directory / "package").exists()


def test_an_evaluation_leaves_its_summary(own_shop: Workshop, cohort: Path) -> None:
    run_id = own_shop.jobs.submit_evaluation(
        cohort, train=["P1"], test=["Q1"], epochs=1, autoencoder_epochs=1, device="cpu"
    )
    run = own_shop.wait_end(run_id, seconds=300)
    assert (run.state, run.error) == (State.DONE, None)
    assert run.record.folds[0].test == "Q1"
    summary = json.loads((run.directory / "summary.json").read_text())
    assert [fold["test"] for fold in summary["folds"]] == ["Q1"]
    assert len(read_losses(run.directory)) == 2


def test_a_cohort_that_is_not_there(own_shop: Workshop, tmp_path: Path) -> None:
    run_id = own_shop.jobs.submit_training(tmp_path / "none.csv")
    run = own_shop.wait_end(run_id, seconds=60)
    assert run.state == State.FAILED
    assert "none.csv" in run.error
