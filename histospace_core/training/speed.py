"""Speed and memory of a network's prediction, measured in a separate process.

Both do not depend on what a network has learnt. It is therefore trained for one epoch on a few
spots, with the panel of the real training sections, and then predicts repeatedly.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from histospace_core.errors import ModelError
from histospace_core.networks.cost import count_gmacs, peak_memory_mb, reset_peak_memory
from histospace_core.sandbox import SandboxError, run_in_sandbox
from histospace_core.training.cohort import SectionData, load_sections, read_cohort
from histospace_core.training.method import FitContext, Fitted, TrainingSet
from histospace_core.training.panel import select_panel
from histospace_core.training.recipe import Recipe
from histospace_core.training.registry import method_named

N_FITTED, N_PREDICTED = 24, 96
"""Spots to train on and to predict."""
_REPEATS, _ENOUGH_S = 5, 60.0


@dataclass(frozen=True)
class Speed:
    """Cost of a prediction.

    Attributes
    ----------
    gmacs_per_tile
        Multiply-adds of the complete prediction of a spot: all views and symmetries.
    tiles_per_second_cpu, tiles_per_second_gpu
        Spots per second, in fp32 without compilation, median of repeated passes; None if there is
        no GPU or the network cannot use it.
    peak_memory_mb
        Resident memory of the process while it predicts on the CPU, including Python and torch.
    threads
        Number of CPU threads.
    """

    gmacs_per_tile: float
    tiles_per_second_cpu: float
    tiles_per_second_gpu: float | None
    peak_memory_mb: float
    threads: int


def measure_speed(
    table: Path, train: Sequence[str], test: str, network: str, recipe: str | None = None
) -> Speed:
    """Measure a network on spots of section `test`, with the panel of `train`, in a new process.

    Raises
    ------
    HistospaceError
        The network cannot be trained.
    """
    try:
        # a new process, because peak memory includes everything that a process did before
        speed: dict[str, Any] = run_in_sandbox(
            measure, str(table.resolve()), list(train), test, network, recipe
        )
    except SandboxError as error:
        raise ModelError(
            f"The speed of '{network}' could not be measured ({error.detail or error.cause}); "
            "evaluate it alone to see the error."
        ) from error
    return Speed(**speed)


def measure(
    table: str, train: list[str], test: str, network: str, recipe: str | None
) -> dict[str, Any]:
    """Train and time a network in the child process; return the fields of `Speed`."""
    method = method_named(network)
    settings = _one_epoch(method.recipe(recipe))
    known = {s.name: s for s in read_cohort(Path(table))}
    # load counts only: the views of every section would add to the memory that is measured
    counted = load_sections([known[n] for n in train], ())
    panel = select_panel([s.measured for s in counted.values()])
    loaded = method.load([known[train[0]], known[test]])
    few = first_spots(loaded[train[0]], N_FITTED)
    section = first_spots(loaded[test], N_PREDICTED)
    del loaded, counted  # not part of a prediction's memory
    torch.manual_seed(0)
    training = TrainingSet((few,), panel, settings.expression_unit)
    fitted = method.fit(training, settings, FitContext(torch.device("cpu"), test=(section,)))
    gmacs = count_gmacs(lambda: fitted.predict(section)) / section.n_spots
    reset_peak_memory()
    on_cpu = _tiles_per_second(lambda: fitted.predict(section), section.n_spots)
    memory = peak_memory_mb()  # before the GPU, because CUDA takes memory of the process
    return asdict(Speed(gmacs, on_cpu, _on_gpu(fitted, section), memory, torch.get_num_threads()))


def first_spots(section: SectionData, n: int) -> SectionData:
    """Return the first `n` spots of a section as a copy, so that the rest can be freed."""
    return replace(
        section,
        views=tuple(np.array(v[:n]) for v in section.views),
        measured=section.measured[:n].copy(),
        groups=section.groups_of(np.arange(min(n, section.n_spots))),
    )


def _one_epoch(recipe: Recipe) -> Recipe:
    epochs = [f.name for f in fields(recipe) if f.name.endswith("epochs")]
    # 0 stays 0, for networks that are fitted in closed form
    return replace(recipe, **{name: min(1, getattr(recipe, name)) for name in epochs})


def _on_gpu(fitted: Fitted, section: SectionData) -> float | None:
    move = getattr(fitted, "to", None)
    if move is None or not torch.cuda.is_available():
        return None
    on_gpu: Fitted = move(torch.device("cuda"))
    return _tiles_per_second(lambda: on_gpu.predict(section), section.n_spots)


def _tiles_per_second(predict: Callable[[], object], n: int) -> float:
    """Return the median over passes after a warm-up; a slow network gets fewer passes."""
    predict()
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _ENOUGH_S:
        started = time.perf_counter()
        predict()
        seconds.append(time.perf_counter() - started)
    return n / statistics.median(seconds)
