"""Runs, their states and comparisons in the catalog."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from builders.records import run_record

from histospace_core.catalog import ACTIVE, Catalog, Kind, State
from histospace_core.errors import JobError, ModelError, StoreError


def test_a_run_is_queued_with_its_slide(catalog: Catalog, fill, tmp_path: Path) -> None:
    slide = fill.slide("liver.svs")
    run = fill.run(slide, stain="none", stride_um=None)
    assert run.state == State.QUEUED
    assert run.kind == Kind.PREDICT
    assert run.settings == {"stain": "none", "stride_um": None}
    assert run.slide is not None
    assert run.slide.name == "liver.svs"
    assert run.directory == tmp_path / "runs" / run.id
    assert run.is_active
    assert run.progress == 0.0


def test_a_double_click_is_one_run(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    first = fill.run(slide, stain="none", device="cpu")
    assert fill.run(slide, device="cpu", stain="none").id == first.id
    assert fill.run(slide, stain="macenko", device="cpu").id != first.id
    assert catalog.finish(first.id) is False  # not begun
    catalog.set_state(first.id, State.CANCELLED)
    assert fill.run(slide, stain="none", device="cpu").id != first.id


def test_clicks_in_many_threads_are_one_run(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: fill.run(slide).id, range(16)))
    assert len(ids) == 1
    assert len(catalog.runs()) == 1


def test_a_run_of_no_slide_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="slide is not in the catalog"):
        catalog.add_run("f" * 32, "m", {}, runs_dir=tmp_path)
    training = catalog.add_run(None, "histospace", {}, runs_dir=tmp_path, kind=Kind.TRAIN)
    assert catalog.run(training.id).slide is None


def test_a_run_is_claimed_by_one_worker(catalog: Catalog, fill) -> None:
    run_id = fill.run().id
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda i: catalog.claim(run_id, f"w{i}"), range(8)))
    won = [claim for claim in claims if claim is not None]
    assert len(won) == 1
    assert won[0].attempt == 1
    assert won[0].started_at is not None
    assert catalog.run(run_id).worker == won[0].worker


def test_progress_and_finish(catalog: Catalog, fill) -> None:
    run_id = fill.run().id
    attempt = catalog.claim(run_id, "w").attempt
    assert catalog.heartbeat(run_id, 25, 100, attempt=attempt) == State.RUNNING
    assert catalog.run(run_id).progress == 0.25
    assert catalog.heartbeat(run_id, attempt=attempt) == State.RUNNING
    assert catalog.run(run_id).done == 25
    assert catalog.finish(run_id, attempt=attempt, record=run_record(timings={"seconds": 2.5}))
    run = catalog.run(run_id)
    assert (run.state, run.progress, run.error) == (State.DONE, 1.0, None)
    assert (run.record, run.seconds) == (run_record(timings={"seconds": 2.5}), 2.5)
    assert run.created_at <= run.started_at <= run.finished_at


def test_a_worker_hears_that_it_is_to_stop(catalog: Catalog, fill) -> None:
    run_id = fill.run().id
    attempt = catalog.claim(run_id, "w").attempt
    assert catalog.set_state(run_id, State.CANCELLING)
    assert catalog.heartbeat(run_id, attempt=attempt) == State.CANCELLING


def test_a_worker_whose_attempt_is_over_changes_nothing(catalog: Catalog, fill) -> None:
    run_id = fill.run().id
    old = catalog.claim(run_id, "old").attempt
    catalog.set_state(run_id, State.INTERRUPTED)
    catalog.set_state(run_id, State.QUEUED)
    new = catalog.claim(run_id, "new").attempt
    assert catalog.heartbeat(run_id, 99, 100, attempt=old) == State.INTERRUPTED
    assert not catalog.finish(run_id, attempt=old)
    assert not catalog.fail(run_id, "late news", attempt=old)
    run = catalog.run(run_id)
    assert (run.state, run.done, run.error) == (State.RUNNING, 0, None)
    assert catalog.finish(run_id, attempt=new)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (State.DONE, State.FAILED),
        (State.DONE, State.QUEUED),
        (State.CANCELLED, State.DONE),
        (State.FAILED, State.RUNNING),
        (State.INTERRUPTED, State.CANCELLING),
        (State.QUEUED, State.DONE),
    ],
)
def test_states_do_not_jump(catalog: Catalog, fill, start: State, end: State) -> None:
    run_id = fill.run().id
    if start == State.DONE:
        catalog.claim(run_id, "w")
    if start != State.QUEUED:
        assert catalog.set_state(run_id, start)
    assert not catalog.set_state(run_id, end)
    assert catalog.run(run_id).state == start


def test_recover_interrupts_what_nobody_answers_for(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    runs = {name: fill.run(slide, name=name).id for name in ("queued", "running", "done", "dead")}
    for name in ("running", "done", "dead"):
        catalog.claim(runs[name], name)
    catalog.finish(runs["done"])
    assert catalog.recover(stale_after_s=60) == []
    assert catalog.recover(60, is_lost=lambda run: run.worker == "dead") == [runs["dead"]]
    assert set(catalog.recover(stale_after_s=0)) == {runs["queued"], runs["running"]}
    states = {name: catalog.run(run_id).state for name, run_id in runs.items()}
    assert states.pop("done") == State.DONE
    assert set(states.values()) == {State.INTERRUPTED}


def test_a_waiting_queue_beats(catalog: Catalog, fill, tmp_path: Path) -> None:
    run = catalog.add_run(fill.slide().id, "m", {}, runs_dir=tmp_path, worker="app")
    catalog.beat_queued("another app")
    assert catalog.run(run.id).heartbeat == run.heartbeat
    catalog.beat_queued("app")
    assert catalog.run(run.id).heartbeat > run.heartbeat
    assert catalog.run(run.id).state == State.QUEUED


def test_resuming_beside_the_same_work_is_refused(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    old = fill.run(slide)
    catalog.set_state(old.id, State.INTERRUPTED)
    fill.run(slide)
    with pytest.raises(JobError, match="already queued or running"):
        catalog.set_state(old.id, State.QUEUED)
    assert catalog.run(old.id).state == State.INTERRUPTED


def test_runs_are_filtered(catalog: Catalog, fill, tmp_path: Path) -> None:
    liver, skin = fill.slide("liver.svs", "01"), fill.slide("skin.svs", "02")
    first = fill.run(liver, n=1)
    second = fill.run(skin, n=2)
    training = catalog.add_run(None, "plus", {}, runs_dir=tmp_path, kind=Kind.TRAIN)
    catalog.fail(second.id, "The disk is full.")
    catalog.describe_run(first.id, note="for the tumour board")

    def ids(**filters: object) -> list[str]:
        return [run.id for run in catalog.runs(**filters)]

    assert ids() == [training.id, second.id, first.id]
    assert ids(states=ACTIVE) == [training.id, first.id]
    assert ids(kinds=[Kind.PREDICT]) == [second.id, first.id]
    assert ids(slide_id=skin.id) == [second.id]
    assert ids(model_name="plus") == [training.id]
    assert ids(text="LIVER") == ids(text="board") == [first.id]
    assert ids(text="disk") == [second.id]
    assert ids(limit=1) == [training.id]


def test_deleting_a_run_takes_its_comparisons_and_folder(catalog: Catalog, fill) -> None:
    run = fill.run()
    (run.directory / "comparisons").mkdir(parents=True)
    comparison = catalog.add_comparison(
        run.id, "C5.tsv.gz", run.directory / "comparisons", {"mean_pearson": 0.2}
    )
    with pytest.raises(JobError, match="cancel it before deleting"):
        catalog.delete_run(run.id)
    assert run.directory.exists()
    assert catalog.comparison(comparison.id).summary == {"mean_pearson": 0.2}
    assert [c.id for c in catalog.comparisons(run.id)] == [comparison.id]
    catalog.set_state(run.id, State.CANCELLED)
    catalog.delete_run(run.id)
    assert not run.directory.exists()
    assert list(catalog.comparisons()) == []
    for missing in (lambda: catalog.run(run.id), lambda: catalog.comparison(comparison.id)):
        with pytest.raises(StoreError, match="not in the catalog"):
            missing()


def test_models_are_registered_once_and_replaced(catalog: Catalog, tmp_path: Path) -> None:
    catalog.add_model("her2st", "01", tmp_path, {"n_genes": 3})
    first = catalog.model("her2st")
    assert catalog.add_model("her2st", "01", tmp_path, {"n_genes": 3}).registered_at == (
        first.registered_at
    )
    catalog.add_model("her2st", "02", tmp_path, {"n_genes": 4})
    assert [(m.name, m.sha256, m.summary) for m in catalog.models()] == [
        ("her2st", "02", {"n_genes": 4})
    ]
    assert [row.action for row in catalog.audit_trail("her2st")] == ["replace", "add"]
    catalog.forget_model("her2st")
    with pytest.raises(ModelError, match="No model named her2st"):
        catalog.model("her2st")
