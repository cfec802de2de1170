"""Parts of a large slide, which several processes predict at once."""

import math
from pathlib import Path

from histospace_core.inference.journal import Journal
from histospace_core.inference.prepare import (
    encode_missing,
    finished_record,
    plan_of,
    prepare,
    tuned,
)
from histospace_core.networks import ModelPackage
from histospace_core.progress import OnProgress, no_progress
from histospace_core.slides.open import Slide
from histospace_core.slides.tissue import find_tissue


def predict_shard(
    slide: Slide,
    model: ModelPackage,
    run_dir: Path,
    shard: int,
    shards: int,
    *,
    stain: str = "none",
    stride_um: float | None = None,
    device: str = "auto",
    fast: bool = True,
    on_progress: OnProgress = no_progress,
) -> None:
    """Predict one of several parts of a slide; `predict_slide` makes a run of them.

    Processes on several machines may do so at once, each another part, if they share `run_dir`.

    Parameters
    ----------
    shard, shards
        Number of the part, from 0, and number of all parts.
    slide, model, run_dir, stain, stride_um, device, fast
        As for `predict_slide`, which must be given the same.

    Raises
    ------
    TissueError
        There is no tissue.
    StoreError
        `run_dir` holds another run, or the disk is full.
    """
    run = prepare(slide, model, stain=stain, stride_um=stride_um, fast=fast)
    plan, n = run.plan, len(run.plan.chunks)
    if finished_record(run_dir, run.key) is not None:
        return
    journal = Journal(run_dir, run.key)
    mine = plan.chunks[n * shard // shards : n * (shard + 1) // shards]
    if all(journal.is_finished(plan.tiles(chunk)) for chunk in mine):
        return  # without loading the network
    with tuned(run, slide, model, device, fast=fast) as predict:
        journal.begin()
        encode_missing(run, slide, model, predict, journal, mine, on_progress)


def count_tiles(
    slide: Slide, model: ModelPackage, stride_um: float | None = None, at_least: int = 0
) -> int:
    """Return the number of tiles that `predict_slide` predicts.

    Parameters
    ----------
    at_least
        If the whole slide holds fewer, glass included, that number is returned, without looking
        for the tissue.
    """
    stride = stride_um or model.tile_um
    most = math.ceil(slide.width * slide.mpp / stride) * math.ceil(
        slide.height * slide.mpp / stride
    )
    if most < at_least:
        return most
    return plan_of(slide, find_tissue(slide), model, stride_um).n_tiles
