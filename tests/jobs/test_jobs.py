"""Runs in real worker processes: how they end, and how they are stopped."""

import os
import time

import pytest
from builders import tasks

from histospace_core.catalog import State
from histospace_core.errors import JobError, StoreError


def test_a_run_is_done_in_another_process(shop) -> None:
    run = shop.wait_end(shop.submit(tasks.count, steps=3, pause=0.01))
    assert run.state == State.DONE
    assert (run.done, run.total, run.stage) == (3, 3, "step 3")
    assert run.record.notes != (f"process {os.getpid()}",)
    assert run.seconds == 1.5
    assert run.attempt == 1
    assert run.error is None


def test_progress_is_seen_from_outside(shop) -> None:
    run_id = shop.submit(tasks.count, steps=60, pause=0.05)
    run = shop.wait(run_id, lambda run: 0 < run.done < 60)
    assert run.state == State.RUNNING
    assert 0 < run.progress < 1
    assert run.stage == f"step {run.done}"
    assert shop.wait_end(run_id).state == State.DONE


def test_a_foreseen_error_is_told_with_the_users_name_of_the_slide(shop) -> None:
    slide_id = shop.slide()
    run = shop.wait_end(shop.submit(tasks.refuse, slide_id))
    name = shop.catalog.slide(slide_id).name
    assert (run.state, run.error) == (State.FAILED, f"{name}: no tissue; scan it again.")


def test_an_unforeseen_error_is_one_sentence_and_a_reference(shop) -> None:
    run = shop.wait_end(shop.submit(tasks.crash))
    assert run.state == State.FAILED
    assert run.error.startswith("An unexpected error stopped the run (reference ")
    assert "secret" not in run.error
    assert "\n" not in run.error
    reference = run.error.split("reference ")[1][:8]
    assert f"reference {reference}\nTraceback" in shop.log
    assert "ZeroDivisionError: a secret detail" in shop.log


def test_too_little_memory(shop) -> None:
    run = shop.wait_end(shop.submit(tasks.exhaust_memory))
    assert run.state == State.FAILED
    assert run.error.startswith("The memory was not enough")


def test_a_worker_goes_on_after_failures(shop) -> None:
    assert shop.wait_end(shop.submit(tasks.count, steps=1, pause=0)).state == State.DONE


def test_a_running_run_is_cancelled(shop) -> None:
    run_id = shop.submit(tasks.count, steps=1000, pause=0.05)
    shop.wait(run_id, lambda run: run.done > 0)
    shop.jobs.cancel(run_id)
    assert shop.catalog.run(run_id).state == State.CANCELLING
    shop.jobs.cancel(run_id)  # a second click does no harm
    run = shop.wait_end(run_id, seconds=4)
    assert run.state == State.CANCELLED
    assert run.error is None
    with pytest.raises(JobError, match="already ended"):
        shop.jobs.cancel(run_id)


def test_a_waiting_run_is_cancelled_at_once_and_never_begins(shop) -> None:
    first = shop.submit(tasks.count, steps=20, pause=0.05)
    second = shop.submit(tasks.count, steps=1, pause=0)
    assert shop.catalog.run(second).state == State.QUEUED
    shop.jobs.cancel(second)
    assert shop.catalog.run(second).state == State.CANCELLED
    assert shop.wait_end(first).state == State.DONE
    assert shop.wait_end(shop.submit(tasks.count, steps=1, pause=0)).state == State.DONE
    assert not shop.catalog.run(second).directory.exists()


def test_a_cancelled_run_goes_on_where_it_stopped(shop) -> None:
    run_id = shop.submit(tasks.count, steps=40, pause=0.05)
    shop.wait(run_id, lambda run: run.done > 2)
    shop.jobs.cancel(run_id)
    shop.wait_end(run_id)
    shop.jobs.resume(run_id, work=tasks.count)
    run = shop.wait_end(run_id)
    assert (run.state, run.attempt) == (State.DONE, 2)
    assert len((run.directory / "steps").read_text().split()) == 40
    with pytest.raises(JobError, match="Only a run that was"):
        shop.jobs.resume(run_id)


def test_a_double_click_is_one_run(shop) -> None:
    slide_id = shop.slide()
    ids = {shop.submit(tasks.count, slide_id, steps=5, pause=0.02) for _ in range(4)}
    assert len(ids) == 1
    run = shop.wait_end(ids.pop())
    assert (run.state, run.attempt) == (State.DONE, 1)
    assert len((run.directory / "steps").read_text().split()) == 5


def test_a_long_silent_step_is_not_taken_for_a_dead_process(shop) -> None:
    seconds = 8 * shop.settings.heartbeat_s  # longer than a run may go without a beat
    run = shop.wait_end(shop.submit(tasks.sleep, seconds=seconds))
    assert run.state == State.DONE


def test_a_run_that_waits_long_is_not_taken_for_lost(shop) -> None:
    first = shop.submit(tasks.sleep, seconds=8 * shop.settings.heartbeat_s)
    second = shop.submit(tasks.count, steps=1, pause=0)
    assert shop.wait_end(second).state == State.DONE
    assert shop.catalog.run(first).state == State.DONE


def test_a_run_of_no_slide_is_refused(shop) -> None:
    with pytest.raises(StoreError, match="slide is not in the catalog"):
        shop.jobs.submit_prediction("0" * 32, "m")


def test_a_lost_model_is_named(shop) -> None:
    run = shop.wait_end(shop.jobs.submit_prediction(shop.slide(), "no-such-model"), seconds=60)
    assert run.state == State.FAILED
    assert "no-such-model" in run.error
    assert "\n" not in run.error


def test_a_cohort_of_slides_is_submitted_in_one_call(shop) -> None:
    slides = [shop.slide() for _ in range(3)]
    ids = shop.jobs.submit_predictions(slides, "no-such-model")
    assert [shop.catalog.run(run_id).slide_id for run_id in ids] == slides
    assert {shop.wait_end(run_id, seconds=60).state for run_id in ids} == {State.FAILED}


def test_a_run_without_a_slide_is_submitted(shop, tmp_path) -> None:
    jobs, cohort = shop.jobs, tmp_path / "none.csv"
    for run_id, reason in (
        (jobs.submit_import("none.svs"), "no import folder"),
        (jobs.submit_training(cohort), "none.csv"),
        (jobs.submit_evaluation(cohort), "none.csv"),
    ):
        run = shop.wait_end(run_id, seconds=60)
        assert (run.state, run.slide_id) == (State.FAILED, None)
        assert reason in run.error


def test_submitting_is_quick(shop) -> None:
    shop.jobs.start()
    began = time.monotonic()
    run_id = shop.submit(tasks.count, steps=1, pause=0)
    assert time.monotonic() - began < 1
    shop.wait_end(run_id)
