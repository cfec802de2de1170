"""Processes that die: the row says so within seconds, and the run can be resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from builders import tasks
from builders.small_disk import needs_root, small_disk
from jobs.conftest import Workshop

from histospace_core.catalog import Catalog, RunRow, State
from histospace_core.errors import JobError
from histospace_core.jobs import Jobs
from histospace_core.settings import Settings

APP = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from builders import tasks
from jobs.conftest import Workshop
if __name__ == "__main__":
    shop = Workshop(Path(sys.argv[1]))
    running = shop.submit(tasks.count, steps=1000, pause=0.05)
    waiting = shop.submit(tasks.count, steps=1, pause=0)
    shop.wait(running, lambda run: run.done > 0)
    print(running, waiting, flush=True)
    time.sleep(60)
"""


def workers(pid: int) -> list[psutil.Process]:
    """Processes below a process, deepest first."""
    return psutil.Process(pid).children(recursive=True)[::-1]


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def kill_worker(run: RunRow) -> None:
    """Kill the process that works on a run."""
    os.kill(int(run.worker.split("/")[1]), signal.SIGKILL)


def test_a_run_goes_on_after_kill_9_of_its_worker(own_shop: Workshop) -> None:
    run_id = own_shop.submit(tasks.count, steps=60, pause=0.05)
    kill_worker(own_shop.wait(run_id, lambda run: run.done > 2))
    waiting = own_shop.wait(run_id, lambda run: run.state == State.QUEUED, seconds=5)
    assert waiting.attempt == 1
    run = own_shop.wait_end(run_id, seconds=30)
    assert (run.state, run.attempt, run.done, run.error) == (State.DONE, 2, 60, None)
    pids = (run.directory / "steps").read_text().split()
    assert len(pids) == 60
    assert len(set(pids)) == 2


def test_a_run_that_loses_its_worker_twice_waits_for_its_user(own_shop: Workshop) -> None:
    run_id = own_shop.submit(tasks.count, steps=60, pause=0.05)
    other = own_shop.submit(tasks.count, steps=1, pause=0)
    for attempt in (1, 2):
        kill_worker(
            own_shop.wait(
                run_id,
                lambda run, n=attempt: run.state == State.RUNNING and run.attempt == n,
                seconds=30,
            )
        )
    run = own_shop.wait_end(run_id, seconds=30)
    assert (run.state, run.attempt) == (State.INTERRUPTED, 2)
    assert str(run.error).startswith("The worker process ended twice")
    assert own_shop.wait_end(other, seconds=30).state == State.DONE  # it only waited there
    own_shop.jobs.resume(run_id, work=tasks.count)
    run = own_shop.wait_end(run_id, seconds=30)
    assert (run.state, run.attempt, run.error) == (State.DONE, 3, None)
    assert len((run.directory / "steps").read_text().split()) == 60


def test_a_run_cancelled_as_its_worker_dies_is_cancelled(own_shop: Workshop) -> None:
    run_id = own_shop.submit(tasks.count, steps=1000, pause=0.05)
    run = own_shop.wait(run_id, lambda run: run.done > 0)
    os.kill(int(run.worker.split("/")[1]), signal.SIGSTOP)  # it cannot stop by itself
    own_shop.jobs.cancel(run_id)
    kill_worker(run)
    assert own_shop.wait_end(run_id, seconds=10).state == State.CANCELLED


def test_kill_9_of_the_app(tmp_path: Path) -> None:
    script = tmp_path / "run_app.py"
    script.write_text(APP)
    store, tests = tmp_path / "store", Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"}
    app = subprocess.Popen(
        [sys.executable, str(script), str(store), str(tests)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with app:
        running, waiting = app.stdout.readline().split()
        below = workers(app.pid)
        app.kill()
    assert below
    assert gone(below)  # no worker outlives its app
    settings = Settings(store=store, heartbeat_s=60)  # all heartbeats are fresh
    catalog = Catalog(settings.catalog_url)
    assert catalog.run(running).state == State.RUNNING
    assert set(Jobs(settings, catalog).recover()) == {running, waiting}
    assert catalog.run(running).state == catalog.run(waiting).state == State.INTERRUPTED
    catalog.close()


def test_closing_interrupts_and_leaves_no_process(own_shop: Workshop) -> None:
    running = own_shop.submit(tasks.count, steps=1000, pause=0.05)
    waiting = own_shop.submit(tasks.count, steps=1, pause=0)
    pid = int(own_shop.wait(running, lambda run: run.done > 0).worker.split("/")[1])
    below = [psutil.Process(pid), psutil.Process(pid).parent()]
    below = [process for process in below if process.pid != os.getpid()]
    own_shop.jobs.close()
    assert gone(below)
    for run_id in (running, waiting):
        assert own_shop.catalog.run(run_id).state == State.INTERRUPTED
    with pytest.raises(JobError, match="shutting down"):
        own_shop.jobs.start()


def test_a_second_app_on_the_store_leaves_living_runs_alone(own_shop: Workshop) -> None:
    run_id = own_shop.submit(tasks.count, steps=40, pause=0.05)
    own_shop.wait(run_id, lambda run: run.done > 0)
    assert Jobs(own_shop.settings, own_shop.catalog).recover() == []
    assert own_shop.wait_end(run_id).state == State.DONE


def test_a_worker_that_lost_its_run_stops(own_shop: Workshop) -> None:
    run_id = own_shop.submit(tasks.count, steps=1000, pause=0.02)
    own_shop.wait(run_id, lambda run: run.done > 0)
    own_shop.catalog.set_state(run_id, State.INTERRUPTED)  # as if its heartbeat had been late
    time.sleep(1.5)
    steps = own_shop.catalog.run(run_id).directory / "steps"
    n_steps = len(steps.read_text().split())
    time.sleep(0.3)
    assert len(steps.read_text().split()) == n_steps
    assert own_shop.catalog.run(run_id).state == State.INTERRUPTED


@needs_root
@pytest.mark.parametrize("catalog_on_it", [False, True])
def test_a_full_disk(tmp_path: Path, catalog_on_it: bool) -> None:
    with small_disk(tmp_path, 8) as disk:
        elsewhere = (
            {} if catalog_on_it else {"database_url": f"sqlite:///{tmp_path / 'catalog.db'}"}
        )
        shop = Workshop(disk, **elsewhere)
        try:
            earlier = shop.wait_end(shop.submit(tasks.count, steps=1, pause=0))
            run_id = shop.submit(tasks.fill_disk)
            shop.wait(run_id, lambda run: (run.directory / "half").exists())
            run = shop.wait_end(run_id)
            assert run.state == State.FAILED
            assert run.error.startswith("The disk is full: free some space")
            assert shop.catalog.run(earlier.id).state == State.DONE
            shop.catalog.delete_run(run_id)
            assert not run.directory.exists()
            again = shop.wait_end(shop.submit(tasks.count, steps=2, pause=0))
            assert again.state == State.DONE
        finally:
            shop.close()
