"""Predict the slides of a table: side by side on the workers of a cluster, large ones in shards.

A slide that fails leaves the others alone. Started again, a cohort goes on where it stopped.
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pandas as pd

from histospace_core import __version__
from histospace_core.errors import HistospaceError, JobError, StoreError
from histospace_core.files import atomic_write, disk_errors, write_json
from histospace_core.jobs.cluster import Cluster
from histospace_core.jobs.cohort_table import CohortSlide
from histospace_core.jobs.cohort_tasks import (
    SHARD_TILES,
    CohortSettings,
    Outcome,
    failed,
    predict_in_shard,
    predict_or_count,
    predict_whole,
    sees,
)
from histospace_core.out_lock import locked
from histospace_core.progress import OnProgress, Progress, no_progress

if TYPE_CHECKING:
    from distributed import Future

SUMMARY, SETTINGS = "summary.csv", "cohort.json"
_ATTEMPTS = 2
"""Times that a slide is begun whose worker dies: another slide may have been the cause."""
_POLL_S, _PATIENCE_S = 0.1, 120.0
"""Seconds between two looks at the tasks, and without a worker before the cohort is given up."""


def predict_cohort(
    slides: Sequence[CohortSlide],
    settings: CohortSettings,
    out: Path,
    cluster: Cluster,
    on_progress: OnProgress = no_progress,
) -> list[Outcome]:
    """Predict slides into the folders `out/<name>`; `out/summary.csv` says what became of them.

    Raises
    ------
    StoreError
        Another process predicts into `out`, or `out` holds a cohort with other settings.
    JobError
        A worker does not see `out`, or runs another version of HistoSPACE.
    """
    out = out.absolute()
    with locked(out):
        _claim(out, settings)
        _require_shared(cluster, out)
        ended = {s.name: failed(s, s.problem) for s in slides if s.problem}
        todo = [s for s in slides if not s.problem]
        on_progress(Progress(len(ended), len(slides), "predicting slides"))
        _write(out, list(ended.values()))
        for outcome in _Run(settings, out, cluster).outcomes(todo):
            ended[outcome.section] = outcome
            _write(out, [ended[s.name] for s in slides if s.name in ended])
            note = f"{outcome.section} {outcome.state}"
            on_progress(Progress(len(ended), len(slides), "predicting slides", note=note))
    return [ended[s.name] for s in slides]


class _Run:
    """The tasks of a cohort on a cluster."""

    def __init__(self, settings: CohortSettings, out: Path, cluster: Cluster) -> None:
        self._settings, self._out, self._cluster = settings, out, cluster
        self._started: dict[str, int] = {}
        self._shards: dict[str, set[Future]] = {}
        self._slide_of: dict[Future, CohortSlide] = {}

    def outcomes(self, slides: Sequence[CohortSlide]) -> Iterator[Outcome]:
        """Yield the outcome of each slide, in the order in which they end."""
        workers = self._cluster.require_workers()
        first = [self._submit(slide, predict_or_count, workers) for slide in slides]
        waiting = self._cluster.as_completed(first)
        for future in self._ended(waiting):
            slide = self._slide_of.pop(future, None)
            if slide is None:  # a shard of a slide that has failed
                continue
            shards = self._shards.get(slide.name, set())
            shards.discard(future)
            try:
                found = future.result()
            except Exception as error:  # an error in the program, or the worker died
                if self._may_try_again(slide, error):
                    waiting.add(self._submit(slide, predict_whole))
                    continue
                found = failed(slide, _reason(error))
            if isinstance(found, Outcome):
                self._drop_shards(slide)
                yield found
            elif isinstance(found, int):  # a large slide: the number of its tiles
                n = max(1, min(workers, found // SHARD_TILES))
                futures = [self._submit(slide, predict_in_shard, i, n) for i in range(n)]
                self._shards[slide.name] = set(futures)
                waiting.update(futures)
            elif not shards:  # the last shard has ended
                waiting.add(self._submit(slide, predict_whole))

    def _ended(self, waiting: Any) -> "Iterator[Future]":
        """Yield futures as they end, until none is left or no worker has been there for a while."""
        alone_since = math.inf
        while self._slide_of:
            ended = waiting.next_batch(block=False)
            yield from ended
            if ended or self._cluster.n_workers():
                alone_since = math.inf
            else:
                alone_since = min(alone_since, time.monotonic())
                if time.monotonic() - alone_since > _PATIENCE_S:
                    raise JobError(
                        "No worker is left: they have died or were stopped. What is done is kept; "
                        "start the same command again."
                    )
            if not ended:
                time.sleep(_POLL_S)

    def _submit(self, slide: CohortSlide, task: Any, *more: int) -> "Future":
        self._started[slide.name] = self._started.get(slide.name, 0) + (
            task is not predict_in_shard
        )
        future = self._cluster.call(
            task, slide, self._settings, self._out / slide.name, *more, device=self._settings.device
        )
        self._slide_of[future] = slide
        return future

    def _may_try_again(self, slide: CohortSlide, error: Exception) -> bool:
        from distributed import KilledWorker

        self._drop_shards(slide)  # what they have done is in the journal
        return isinstance(error, KilledWorker) and self._started[slide.name] < _ATTEMPTS

    def _drop_shards(self, slide: CohortSlide) -> None:
        for future in self._shards.pop(slide.name, set()):
            self._slide_of.pop(future)
            future.cancel()


def _claim(out: Path, settings: CohortSettings) -> None:
    """Write what the runs of a folder have in common, or check that it is the same."""
    from histospace_core.networks import load_package

    model = load_package(settings.model)
    now = {"model": model.name, "model_sha256": model.sha256, **settings.options}
    file = out / SETTINGS
    with disk_errors(out):
        if file.exists():
            was: dict[str, Any] = {}
            with suppress(ValueError):
                was = json.loads(file.read_text("utf-8"))
            # The device may change: it is not part of a run's key.
            other = sorted(k for k in now if was.get(k) != now[k] and k not in ("device", "fast"))
            said, remedy = "", "choose another folder"
            if other:
                said = f"with another {other[0].replace('_', ' ')}"
            elif was.get("fast") != settings.fast:
                said = "with the plain network" if settings.fast else "without --no-compile"
                remedy = f"{'add' if settings.fast else 'omit'} --no-compile, or {remedy}"
            if said:
                raise StoreError(
                    f"holds a cohort that was predicted {said}", path=out, remedy=remedy
                )
            return
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, now)


def _require_shared(cluster: Cluster, out: Path) -> None:
    """Refuse workers that do not see the folder of the results, or that run another version."""
    token = out / f".shared-{uuid4().hex}"
    with disk_errors(out):
        token.write_text(token.name, "utf-8")
    try:
        for worker, found in cluster.on_workers(sees, token).items():
            if isinstance(found, Exception):
                raise JobError(
                    f"The worker at {worker} does not answer as HistoSPACE {__version__} does "
                    f"({type(found).__name__}); install the same version there."
                )
            sees_it, version = found
            if version != __version__:
                raise JobError(
                    f"The worker at {worker} runs HistoSPACE {version}, this is {__version__}; "
                    "install the same version there."
                )
            if not sees_it:
                raise JobError(
                    f"The worker at {worker} does not see the folder '{out}'; choose one that all "
                    "machines share under the same path."
                )
    finally:
        token.unlink(missing_ok=True)


def _write(out: Path, outcomes: Sequence[Outcome]) -> None:
    table = pd.DataFrame([asdict(o) for o in outcomes], columns=list(Outcome.__annotations__))
    with disk_errors(out), atomic_write(out / SUMMARY) as part:
        table.to_csv(part, index=False)


def _reason(error: Exception) -> str:
    from distributed import KilledWorker

    if isinstance(error, HistospaceError):
        return str(error)
    if isinstance(error, KilledWorker):
        return (
            "the worker process died while it predicted this slide; its memory may be too small, "
            "or a library fails on the file: predict it alone to see"
        )
    return f"an error in the program: {type(error).__name__}: {error}"[:500]
