"""A scheduler elsewhere, named in the settings."""

from pathlib import Path

import pytest
from builders import work_bodies
from distributed import LocalCluster
from jobs.conftest import Workshop

from histospace_core.catalog import State
from histospace_core.errors import JobError


def test_a_named_scheduler_does_the_work(tmp_path: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        shop = Workshop(tmp_path / "store", scheduler=cluster.scheduler_address)
        try:
            run = shop.wait_end(shop.submit(work_bodies.count, steps=2, pause=0))
            assert run.state == State.DONE
            assert not shop.jobs._cluster.is_embedded
        finally:
            shop.close()
        assert len(cluster.workers) == 1  # it is not ours to close


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "store", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(JobError, match=r"scheduler tcp://127\.0\.0\.1:1 cannot be reached"):
        shop.submit(work_bodies.count, steps=1, pause=0)
    (run,) = shop.catalog.runs()
    assert run.state == State.FAILED
    assert "cannot be reached" in run.error
    shop.close()
