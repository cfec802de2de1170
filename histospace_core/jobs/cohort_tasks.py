"""What the workers of a cohort do: a slide, or a part of a large one.

What a user can mend is returned as an outcome, because Dask logs what a task raises.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from histospace_core import __version__
from histospace_core.errors import HistospaceError
from histospace_core.jobs.cohort_table import CohortSlide

if TYPE_CHECKING:
    from histospace_core.networks import ModelPackage
    from histospace_core.slides.open import Slide

T = TypeVar("T")

SHARD_TILES = 16_384
"""Fewest tiles of a shard: opening the slide and loading the network cost as much as 2,000."""


@dataclass(frozen=True)
class CohortSettings:
    """What is the same for all slides of a cohort.

    Attributes
    ----------
    model : Path
        Folder of the package, which all workers can read.
    """

    model: Path
    stain: str = "none"
    stride_um: float | None = None
    device: str = "auto"
    fast: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of `predict_slide`."""
        return {k: v for k, v in asdict(self).items() if k != "model"}


@dataclass(frozen=True)
class Outcome:
    """What became of a slide.

    Attributes
    ----------
    state : str
        "done", "skipped" (it was finished before) or "failed".
    reason : str
        Why it failed or was skipped.
    tiles, seconds
        Of its run; 0 if it failed.
    """

    section: str
    image: str
    state: str
    tiles: int = 0
    seconds: float = 0.0
    reason: str = ""


def failed(slide: CohortSlide, reason: str) -> Outcome:
    """Return the outcome of a slide that cannot be predicted."""
    return Outcome(slide.name, str(slide.image), "failed", reason=reason)


def _errors_are_outcomes(task: Callable[..., T]) -> Callable[..., T | Outcome]:
    """Let a task return an error of the user's as an outcome."""

    @wraps(task)
    def safe(slide: CohortSlide, *arguments: Any) -> T | Outcome:
        try:
            return task(slide, *arguments)
        except HistospaceError as error:
            return failed(slide, str(error))

    return safe


@_errors_are_outcomes
def predict_or_count(
    slide: CohortSlide, settings: CohortSettings, run_dir: Path, workers: int
) -> Outcome | int:
    """Predict a slide, unless it is worth sharing among workers: then return its tiles."""
    from histospace_core.inference import count_tiles, is_finished

    with _opened(slide) as opened:
        if workers > 1 and not is_finished(run_dir):
            model, enough = _model(settings), 2 * SHARD_TILES
            tiles = count_tiles(opened, model, settings.stride_um, at_least=enough)
            if tiles >= enough:
                return tiles
        return _predicted(slide, opened, settings, run_dir)


@_errors_are_outcomes
def predict_whole(slide: CohortSlide, settings: CohortSettings, run_dir: Path) -> Outcome:
    """Predict what of a slide is not predicted yet."""
    with _opened(slide) as opened:
        return _predicted(slide, opened, settings, run_dir)


@_errors_are_outcomes
def predict_in_shard(
    slide: CohortSlide, settings: CohortSettings, run_dir: Path, shard: int, shards: int
) -> None:
    """Predict one part of a slide."""
    from histospace_core.inference import predict_shard

    with _opened(slide) as opened:
        predict_shard(opened, _model(settings), run_dir, shard, shards, **settings.options)


def _predicted(
    slide: CohortSlide, opened: "Slide", settings: CohortSettings, run_dir: Path
) -> Outcome:
    from histospace_core.inference import predict_slide

    run = predict_slide(opened, _model(settings), run_dir, **settings.options)
    state, reason = ("skipped", "already finished") if run.was_finished else ("done", "")
    seconds = run.record.timings.seconds
    return Outcome(slide.name, str(slide.image), state, run.n_tiles, seconds, reason)


def _opened(slide: CohortSlide) -> "Slide":
    from histospace_core.slides.open import open_slide
    from histospace_core.slides.probe import probe_slide

    probe_slide(slide.image, slide.mpp, series=slide.series)
    return open_slide(slide.image, slide.mpp, series=slide.series)


def _model(settings: CohortSettings) -> "ModelPackage":
    from histospace_core.networks import load_package

    return load_package(settings.model)


def sees(token: Path) -> tuple[bool, str]:
    """Return whether this worker reads a file of the caller, and its version of HistoSPACE."""
    until = time.monotonic() + 5  # a network file system may show a new file late
    while time.monotonic() < until:
        with suppress(OSError):
            if token.read_text("utf-8") == token.name:
                return True, __version__
        time.sleep(0.2)
    return False, __version__
