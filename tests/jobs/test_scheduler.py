"""A scheduler elsewhere, with workers in processes of their own."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import tasks
from builders.dask_processes import histospace_worker, make_certificate, scheduler, worker
from distributed import Client
from jobs.conftest import Workshop

from histospace_core.catalog import Kind, RunRow, State
from histospace_core.errors import JobError
from histospace_core.jobs.cluster import scheduler_security, worker_command
from histospace_core.settings import Settings


@contextmanager
def workshop(store: Path, address: str, n_workers: int, **settings: object) -> Iterator[Workshop]:
    """Jobs on a scheduler elsewhere, once its workers are there."""
    shop = Workshop(store, scheduler=address, **settings)
    security = scheduler_security(address, shop.settings)
    try:
        with Client(address, security=security, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=60)
        yield shop
    finally:
        shop.close()


def ended(shop: Workshop, run_ids: list[str]) -> list[RunRow]:
    """The runs at their ends, in the order in which they began."""
    runs = [shop.wait_end(run_id, seconds=60) for run_id in run_ids]
    assert [(run.state, run.error) for run in runs] == [(State.DONE, None)] * len(runs)
    return sorted(runs, key=lambda run: run.started_at)


@pytest.mark.slow
def test_two_workers_share_a_cohort_and_one_may_die(tmp_path: Path) -> None:
    with (
        scheduler() as address,
        worker(address, "a"),
        worker(address, "b"),
        workshop(tmp_path / "store", address, 2) as shop,
    ):
        submit = shop.submit
        ids = [submit(tasks.count, batch=True, steps=20, pause=0.05) for _ in range(8)]
        first = shop.wait(ids[0], lambda run: run.done > 2, seconds=30)
        os.kill(int(first.worker.split("/")[1]), signal.SIGKILL)
        runs = ended(shop, ids)
        assert len({run.worker for run in runs}) >= 2
        for run in runs:  # each step of each run was done once
            assert len((run.directory / "steps").read_text().split()) == 20
            assert run.attempt == (2 if run.id == first.id else 1)


@pytest.mark.slow
def test_two_runs_that_need_the_gpu_take_turns_on_it(tmp_path: Path) -> None:
    with (
        scheduler() as address,
        worker(address, "gpu", GPU=1),
        worker(address, "cpu"),
        workshop(tmp_path / "store", address, 2) as shop,
    ):
        count = {"steps": 20, "pause": 0.05}
        on_gpu = [shop.submit(tasks.count, device=d, **count) for d in ("cuda", "auto")]
        elsewhere = shop.submit(tasks.count, device="cpu", **count)
        first, second = ended(shop, on_gpu)
        assert first.worker == second.worker
        assert second.started_at >= first.finished_at
        (third,) = ended(shop, [elsewhere])
        assert third.worker != first.worker
        assert third.started_at < first.finished_at


@pytest.mark.slow
def test_what_no_worker_has_is_not_waited_for(tmp_path: Path) -> None:
    with (
        scheduler() as address,
        worker(address, "small", MEMORY=1e6),
        workshop(tmp_path / "store", address, 1) as shop,
    ):
        count = {"steps": 1, "pause": 0, "device": "cuda"}
        ended(shop, [shop.submit(tasks.count, kind=Kind.TRAIN, **count)])


@pytest.mark.slow
def test_urgent_runs_go_first(tmp_path: Path) -> None:
    with (
        scheduler() as address,
        worker(address, "only", MEMORY=1e10),
        workshop(tmp_path / "store", address, 1) as shop,
    ):
        count = {"steps": 1, "pause": 0}
        busy = shop.submit(tasks.count, steps=40, pause=0.05)
        shop.wait(busy, lambda run: run.done > 0, seconds=30)
        queued = [
            shop.submit(tasks.count, kind=kind, batch=batch, **count)
            for kind, batch in (
                (Kind.TRAIN, False),
                (Kind.PREDICT, True),
                (Kind.CHARACTERISE, False),
                (Kind.EXPORT, False),
                (Kind.PREDICT, False),
            )
        ]
        assert [run.id for run in ended(shop, queued)] == queued[::-1]


@pytest.mark.slow
def test_tls_with_certificates_works_and_without_is_refused(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path / "ours")
    with (
        scheduler(tls) as address,
        histospace_worker(address, tls),
        workshop(tmp_path / "store", address, 1, **tls) as shop,
    ):
        run = shop.wait_end(shop.submit(tasks.count, steps=2, pause=0), seconds=60)
        assert (run.state, run.error) == (State.DONE, None)
        assert not shop.jobs._cluster.is_embedded
        others = make_certificate(tmp_path / "others")
        for n, (certificates, reason) in enumerate(
            [({}, "needs certificates: set HISTOSPACE_TLS_CA"), (others, "cannot be reached")]
        ):
            stranger = Workshop(tmp_path / f"store{n}", scheduler=address, **certificates)
            with pytest.raises(JobError, match=reason):
                stranger.jobs.start()
            stranger.close()
        bare = Workshop(tmp_path / "bare", scheduler=address.replace("tls", "tcp"))
        with pytest.raises(JobError, match="cannot be reached"):
            bare.jobs.start()
        bare.close()


@pytest.mark.parametrize(
    "address", ["tcp://scheduler:8786", "tcp://10.0.0.1:8786", "scheduler:8786", "tcp://:8786", "x"]
)
def test_a_bare_scheduler_elsewhere_is_refused(address: str, tmp_path: Path) -> None:
    settings = Settings(store=tmp_path, scheduler=address)
    for connect in (scheduler_security, worker_command):
        with pytest.raises(JobError, match="without encryption") as caught:
            connect(address, settings)
        assert "\n" not in str(caught.value)
        assert "HISTOSPACE_TLS_CA" in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "[::1]"])
def test_a_bare_scheduler_on_this_machine_is_accepted(host: str) -> None:
    assert scheduler_security(f"tcp://{host}:8786", Settings()) is None


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path) | {"tls_key": tmp_path / "lost.pem"}
    with pytest.raises(JobError, match=r"HISTOSPACE_TLS_KEY .*lost\.pem does not exist"):
        scheduler_security("tls://127.0.0.1:8786", Settings(**tls))


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "store", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(JobError, match=r"scheduler tcp://127\.0\.0\.1:1 cannot be reached"):
        shop.submit(tasks.count, steps=1, pause=0)
    (run,) = shop.catalog.runs()
    assert run.state == State.FAILED
    assert "cannot be reached" in run.error
    shop.close()
