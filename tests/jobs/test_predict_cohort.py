"""A cohort on a real cluster of processes: what fails leaves the rest alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from builders.packages import make_package
from builders.slide_files import make_slide

from histospace_core.errors import CohortError, JobError, StoreError
from histospace_core.inference import open_prediction
from histospace_core.jobs import predict_cohort as module
from histospace_core.jobs.cluster import Cluster, own_workers
from histospace_core.jobs.cohort_table import CohortSlide, read_slides
from histospace_core.jobs.cohort_tasks import CohortSettings, Outcome
from histospace_core.jobs.predict_cohort import predict_cohort
from histospace_core.settings import Settings, get_settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("store")]
N = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    for i in range(N):
        make_slide(folder / f"s{i}.png", 1400, seed=i)
    (folder / "broken.svs").write_bytes(b"II*\0" + bytes(400))
    make_package(folder, "model")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HISTOSPACE_STORE", str(folder))
        get_settings.cache_clear()
        yield folder
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def cluster(store: Path) -> Iterator[Cluster]:
    cluster = Cluster(Settings(store=store, workers=2), deaths=1)
    yield cluster
    cluster.close()


def table(folder: Path, *rows: str, columns: str = "section,image,mpp") -> Path:
    file = folder / f"cohort{len(list(folder.glob('cohort*.csv')))}.csv"
    file.write_text("\n".join([columns, *rows]) + "\n")
    return file


def settings_of(folder: Path, **more: object) -> CohortSettings:
    return CohortSettings(folder / "model", device="cpu", **more)  # type: ignore[arg-type]


def test_what_fails_is_said_and_the_rest_is_done(
    folder: Path, cluster: Cluster, tmp_path: Path
) -> None:
    rows = [f"s{i},s{i}.png,0.69" for i in range(N)]
    rows += ["gone,none.png,0.69", "odd,s0.png,much", "broken,broken.svs,0.5", "a/b,s0.png,0.69"]
    out, events = tmp_path / "out", []
    slides = read_slides(table(folder, *rows))
    found = predict_cohort(slides, settings_of(folder), out, cluster, events.append)
    assert [o.state for o in found] == ["done"] * N + ["failed"] * 4
    reasons = {o.section: o.reason for o in found if o.state == "failed"}
    assert "there is no file 'none.png' (line 5 of" in reasons["gone"]
    assert "mpp 'much' is not a pixel size" in reasons["odd"]
    assert reasons["broken"].startswith("broken.svs: ")
    assert "cannot be the name of a folder" in reasons["a/b"]
    written = pd.read_csv(out / "summary.csv", keep_default_na=False)
    assert written["state"].tolist() == [o.state for o in found]
    assert written["reason"].tolist() == [o.reason for o in found]
    assert sorted(p.name for p in out.iterdir()) == [
        "cohort.json",
        *(f"s{i}" for i in range(N)),
        "summary.csv",
    ]
    assert (events[-1].done, events[-1].total) == (N + 4, N + 4)

    again = predict_cohort(slides, settings_of(folder), out, cluster)
    assert [o.state for o in again] == ["skipped"] * N + ["failed"] * 4
    with pytest.raises(StoreError, match="another stain"):
        predict_cohort(slides, settings_of(folder, stain="reinhard"), out, cluster)


class _NoCluster:
    """A cluster that must not be asked for anything."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        (False, True, "predicted with the plain network; add --no-compile, or choose"),
        (True, False, "predicted without --no-compile; omit --no-compile, or choose"),
    ],
)
def test_a_folder_goes_on_only_with_the_same_arithmetic(
    folder: Path, tmp_path: Path, was: bool, now: bool, sentence: str
) -> None:
    """A run's key names it, so each slide would be refused on its own."""
    module._claim(tmp_path, settings_of(folder, fast=was))
    module._claim(tmp_path, replace(settings_of(folder, fast=was), device="cuda"))
    slides = read_slides(table(folder, "s0,s0.png,0.69"))
    with pytest.raises(StoreError, match=sentence):
        predict_cohort(slides, settings_of(folder, fast=now), tmp_path, _NoCluster())  # type: ignore[arg-type]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort.json"]


def test_a_folder_in_which_another_process_predicts_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    slides = read_slides(table(folder, "s0,s0.png,0.69"))
    lock = "import sys; from pathlib import Path; from histospace_core.out_lock import locked\n"
    lock += "with locked(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", lock, str(tmp_path / "out")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(StoreError, match=rf"process {other.pid} on .* has been writing here"):
            predict_cohort(slides, settings_of(folder), tmp_path / "out", _NoCluster())  # type: ignore[arg-type]
        other.stdin.close()
    assert not (tmp_path / "out").exists()


def test_a_large_slide_in_shards_is_the_slide_as_a_whole(
    folder: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards are of 1,024 tiles at least, so the tiles lie densely."""
    slides = read_slides(table(folder, "s0,s0.png,0.69"))
    settings = settings_of(folder, stride_um=11.0, fast=False)
    whole = predict_cohort(slides, settings, tmp_path / "whole", cluster)
    assert whole[0].tiles > 2048
    large = 2 * module.SHARD_TILES

    # inside, because workers cannot import the tests: it travels by value
    def _count(*_: object) -> int:
        return large

    monkeypatch.setattr(module, "predict_or_count", _count)
    parts = predict_cohort(slides, settings, tmp_path / "parts", cluster)
    assert parts[0].tiles == whole[0].tiles
    a, b = (open_prediction(tmp_path / d / "s0") for d in ("whole", "parts"))
    np.testing.assert_array_equal(a.matrix(), b.matrix())
    assert b.record.timings.tiles_from_earlier_attempt == whole[0].tiles


def test_a_slide_that_kills_its_worker_fails_alone(
    folder: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _die_on_the_first(slide: CohortSlide, *_: object) -> Outcome:
        if slide.name == "s0":
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(slide.name, "", "done", 1)

    monkeypatch.setattr(module, "predict_or_count", _die_on_the_first)
    monkeypatch.setattr(module, "predict_whole", _die_on_the_first)
    slides = read_slides(table(folder, *(f"s{i},s{i}.png,0.69" for i in range(N))))
    found = predict_cohort(slides, settings_of(folder), tmp_path / "out", cluster)
    assert found[0].state == "failed"
    assert "the worker process died" in found[0].reason
    assert [o.state for o in found[1:]] == ["done"] * (N - 1)


def test_workers_must_see_the_folder_and_run_this_version(
    folder: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slides = read_slides(table(folder, "s0,s0.png,0.69"))
    for answer, sentence in (
        ((False, module.__version__), "does not see the folder"),
        ((True, "0.0.1"), "runs HistoSPACE 0.0.1"),
        (ImportError("gone"), "install the same version there"),
    ):
        monkeypatch.setattr(
            Cluster, "on_workers", lambda *_, answer=answer: {"tls://10.0.0.9:1": answer}
        )
        with pytest.raises(JobError, match=sentence):
            predict_cohort(slides, settings_of(folder), tmp_path / "out", cluster)
        assert not list((tmp_path / "out").glob(".shared*"))
    assert module.sees(tmp_path / "not here") == (False, module.__version__)


def test_the_command_resumes_after_a_kill_and_tells_by_its_exit_code(
    folder: Path, tmp_path: Path, store: Path
) -> None:
    cohort = table(folder, *(f"s{i},s{i}.png,0.69" for i in range(N)))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "histospace_core", "predict-cohort", str(cohort)]
    command += ["--model", str(folder / "model"), "--out", str(out), "--device", "cpu"]
    command += ["--workers", "1"]
    begun = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(out.glob("*/run.json")):
        assert begun.poll() is None
        time.sleep(0.05)
    second = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert second.returncode == 2, "two cohorts in one folder"
    assert "has been writing here since" in second.stderr
    tree = [begun_ := psutil.Process(begun.pid), *begun_.children(recursive=True)]
    for process in tree:
        process.kill()
    begun.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "skipped" in done.stdout
    states = pd.read_csv(out / "summary.csv")["state"]
    assert set(states) <= {"done", "skipped"}
    assert len(states) == N
    cohort.write_text(cohort.read_text() + "gone,none.png,0.69\n")
    failed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert failed.returncode == 3
    assert "gone: there is no file 'none.png'" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert json.loads((out / "cohort.json").read_text())["model"] == "model"


def test_a_table_is_refused_as_a_whole_only_where_no_row_could_be_right(tmp_path: Path) -> None:
    make_slide(tmp_path / "a.png", 300)
    named = read_slides(table(tmp_path, "a.png", columns="image"))
    assert [(s.name, s.mpp, s.problem) for s in named] == [("a", None, "")]
    with pytest.raises(CohortError, match="names 2 slides 'a'"):
        read_slides(table(tmp_path, "a.png", "a.png", columns="image"))
    with pytest.raises(CohortError, match="lacks the column image"):
        read_slides(table(tmp_path, "a.png", columns="picture"))
    with pytest.raises(CohortError, match="no cohort table"):
        read_slides(tmp_path / "none.csv")


def test_a_machine_starts_as_many_workers_as_it_has_cores_and_memory_for() -> None:
    assert own_workers(1) == 1
    assert 1 <= own_workers(1000) <= (os.cpu_count() or 1)
