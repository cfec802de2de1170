"""The main path: from a slide to a stored prediction."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import TissueError
from histospace_core.inference.build_record import build_record
from histospace_core.inference.duration import (
    Countdown,
    Finishing,
    keep_finishing,
    recall_finishing,
)
from histospace_core.inference.journal import Journal
from histospace_core.inference.layout import overview_path
from histospace_core.inference.prepare import encode_missing, finished_record, prepare, tuned
from histospace_core.inference.record import RunRecord, Timings
from histospace_core.inference.store import write_matrix, write_overview, write_tables
from histospace_core.networks import ModelPackage, Predictor, release_memory
from histospace_core.out_lock import alone_in
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.slides.open import Slide
from histospace_core.slides.plan import TilePlan
from histospace_core.slides.quality import classify_tiles

MAX_UNREADABLE = 0.2
"""Share of tissue tiles that may be unreadable before the run fails."""


@dataclass(frozen=True)
class RunSummary:
    """The result of a run: its folder, its record, and whether it was finished before the call."""

    run_dir: Path
    record: RunRecord
    was_finished: bool = False

    @property
    def n_tiles(self) -> int:
        return self.record.tiles.total


@alone_in("run_dir")
def predict_slide(
    slide: Slide,
    model: ModelPackage,
    run_dir: Path,
    *,
    stain: str = "none",
    stride_um: float | None = None,
    device: str = "auto",
    fast: bool = True,
    on_progress: OnProgress = no_progress,
) -> RunSummary:
    """Predict every tissue tile of a slide and store the result in `run_dir`.

    Called again with the same arguments after an interruption, it resumes with the missing tiles;
    of a finished run it returns the result. Memory does not grow with the number of the slide's
    pixels.

    Parameters
    ----------
    slide
        Open, with a known pixel size.
    stain
        "none", "vahadane", "macenko" or "reinhard", fitted once on the slide's tissue.
    stride_um
        Distance between tile centres, um; a tile's side if None.
    device
        "auto", "cpu" or "cuda".
    fast
        Use a rounded or compiled form of the network if it agrees with the plain one in fp32; False
        always uses the plain one.

    Raises
    ------
    TissueError
        There is no tissue, or more than a fifth of it cannot be read.
    StoreError
        `run_dir` holds another run, another process writes it, or the disk is full.
    """
    started = time.perf_counter()
    run = prepare(slide, model, stain=stain, stride_um=stride_um, fast=fast)
    plan = run.plan
    if (finished := finished_record(run_dir, run.key)) is not None:
        return RunSummary(run_dir, finished, was_finished=True)
    journal = Journal(run_dir, run.key)
    release_memory()
    with tuned(run, slide, model, device, fast=fast) as predict:
        # Nothing is written before this point, so what was refused leaves nothing.
        journal.begin()
        if run.overview is not None:
            write_overview(run_dir, run.overview)
        facts = {"model": model.sha256, "device": predict.device.type}
        finishing = recall_finishing(**facts)
        after = finishing.seconds(plan.n_tiles)
        began = time.perf_counter()
        earlier = encode_missing(
            run, slide, model, predict, journal, plan.chunks, on_progress, after
        )
        encoded = time.perf_counter()
        on_storing = _storing(plan.n_tiles, finishing, on_progress)
        release_memory()
        try:
            obs = _obs(slide, plan, journal.columns())
        except TissueError:
            journal.discard()
            overview_path(run_dir).unlink(missing_ok=True)
            raise
        release_memory()  # of the tables, before the matrix needs as much
        expression = _expression(journal, predict, obs, plan)
        shape = (plan.n_tiles, len(model.genes))
        write_matrix(run_dir, expression, shape, dtype=model.stored_as, on_rows=on_storing)
        stored = time.perf_counter()
        timings = Timings(
            seconds=round(stored - started, 2),
            encoding_seconds=round(encoded - began, 2),
            storing_seconds=round(stored - encoded, 2),
            tiles_from_earlier_attempt=earlier,
        )
        record = build_record(run.key, slide, model, plan, run.normalise, predict, obs, timings)
        var = _var(model, predict)  # here, because the network is gone after the block
    write_tables(run_dir, obs, var, plan.centres, record)
    journal.discard()
    tables = time.perf_counter() - stored
    keep_finishing(finishing.and_a_run(plan.n_tiles, stored - encoded, tables), **facts)
    return RunSummary(run_dir, record)


def _storing(n: int, finishing: Finishing, on_progress: OnProgress) -> Callable[[int], None]:
    """Report that storing begins; return what reports the number of tiles stored so far."""
    began, expected = time.monotonic(), finishing.seconds(n)
    countdown = Countdown(n, finishing.tables_seconds)

    def report(stored: int) -> None:
        left = countdown(stored) if stored else None
        if left is None:  # its own pace is not known yet
            left = max(expected - (time.monotonic() - began), finishing.tables_seconds)
        on_progress(Progress(n, n, "storing the map", seconds_left=left))

    report(0)
    return report


def _obs(slide: Slide, plan: TilePlan, columns: pd.DataFrame) -> pd.DataFrame:
    """Add the quality verdict `qc` to each tile's measures; refuse a slide that cannot be read."""
    unreadable = ~columns.pop("readable").to_numpy(dtype=bool)
    if unreadable.mean() > MAX_UNREADABLE:
        raise TissueError(
            f"{unreadable.mean():.0%} of the tissue of {slide.path.name} cannot be read; the file "
            "is damaged: export or copy it again."
        )
    measures = {name: columns[name].to_numpy() for name in columns}
    column, row = plan.grid.T
    qc = classify_tiles(measures, column, row, (plan.stride_um / 1000) ** 2)
    # The last reason wins; the measures of an unreadable tile mean nothing.
    for reason, tiles in (*plan.flagged.items(), ("unreadable", unreadable)):
        qc[tiles] = reason
    columns.insert(0, "qc", qc)
    # A tile that is left out must not count as out of domain.
    columns.loc[columns["qc"] != "ok", "domain_score"] = np.nan
    return columns


def _expression(
    journal: Journal, predict: Predictor, obs: pd.DataFrame, plan: TilePlan
) -> Callable[[slice], NDArray[np.float32]]:
    """Return a function from a slice of tiles to their expression, NaN if a tile is left out."""
    good = (obs["qc"] == "ok").to_numpy()
    everything = slice(0, plan.n_tiles)
    # All tiles at once, because neighbours may lie in different chunks.
    smoothed = predict.smooth(
        lambda: journal.codes(everything), plan.centres_um, good, plan.stride_um
    )

    def rows(tiles: slice) -> NDArray[np.float32]:
        codes = journal.codes(tiles) if smoothed is None else smoothed[tiles]
        expression = predict.expression(codes)
        expression[~good[tiles]] = np.nan
        return expression

    return rows


def _var(model: ModelPackage, predict: Predictor) -> pd.DataFrame:
    """Return the genes with their held-out scores and the mean profile."""
    var = model.genes.set_index("gene")
    var["gene_id"] = var["gene_id"].fillna("").astype(str)
    var["reliable"] = var["reliable"].astype(bool)
    var["training_mean"] = predict.network.mean_profile.cpu().numpy()
    return var
