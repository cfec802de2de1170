"""A characterisation in the worker: into the prediction's folder, and gone with it."""

from pathlib import Path

import pytest
from builders.characterised_runs import compare, make_run
from jobs.conftest import Workshop

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.errors import JobError, StoreError
from histospace_core.exports.characterisation import open_characterisation

pytestmark = pytest.mark.slow


def predicted(shop: Workshop, **made: object) -> RunRow:
    """A finished prediction of known tissue."""
    run = shop.catalog.add_run(shop.slide(), "small", {}, runs_dir=shop.settings.runs_dir)
    run.directory.parent.mkdir(exist_ok=True)
    make_run(run.directory, **made)
    shop.catalog.claim(run.id, "test")
    shop.catalog.finish(run.id)
    return run


def test_a_run_is_characterised_with_its_comparison(own_shop: Workshop) -> None:
    run = predicted(own_shop)
    compare(run.directory, run.directory / "comparisons" / "one")
    submit = own_shop.jobs.submit_characterisation
    job = submit(run.id, comparison=run.directory / "comparisons" / "one")
    assert submit(run.id, comparison=run.directory / "comparisons" / "one") == job, "a double click"
    row = own_shop.wait_end(job, seconds=180)
    assert (row.state, row.error) == (State.DONE, None)
    assert row.directory == run.directory / "characterisations" / job
    stored = open_characterisation(row.directory)
    level = stored.summary["levels"][stored.summary["chosen_level"]]
    assert level["measured"]["ari"] > level["measured"]["ari_shuffled_mean"]
    assert "measured_q_value" in stored.markers(0)
    own_shop.catalog.delete_run(run.id)
    assert not row.directory.exists()
    with pytest.raises(StoreError, match="not in the catalog"):
        own_shop.catalog.run(job)


def test_what_cannot_be_characterised_fails_in_a_sentence(own_shop: Workshop) -> None:
    run = predicted(own_shop, reliable=False)
    row = own_shop.wait_end(own_shop.jobs.submit_characterisation(run.id), seconds=120)
    assert row.state == State.FAILED
    assert str(row.error).startswith("0 genes of this model are reliable")
    assert not row.directory.exists()


def test_only_a_finished_prediction_is_characterised(own_shop: Workshop, tmp_path: Path) -> None:
    run = own_shop.catalog.add_run(own_shop.slide(), "m", {}, runs_dir=tmp_path)
    with pytest.raises(JobError, match="Only a finished prediction"):
        own_shop.jobs.submit_characterisation(run.id)
    assert run.state == State.QUEUED


def test_a_run_under_characterisation_is_not_deleted(own_shop: Workshop) -> None:
    run = predicted(own_shop)
    own_shop.catalog.add_run(
        run.slide_id, "small", {}, parent_id=run.id, runs_dir=run.directory / "characterisations",
        kind=Kind.CHARACTERISE,
    )  # fmt: skip
    with pytest.raises(JobError, match="still under way"):
        own_shop.catalog.delete_run(run.id)
    assert run.directory.exists()
