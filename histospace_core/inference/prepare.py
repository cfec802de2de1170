"""What a run needs before and while its tiles are encoded: for a whole slide and for a shard."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histospace_core.errors import StoreError
from histospace_core.inference.build_record import key_digest, run_key
from histospace_core.inference.duration import Countdown
from histospace_core.inference.journal import Journal
from histospace_core.inference.layout import journal_path, record_path, store_path
from histospace_core.inference.record import RunRecord, read_record
from histospace_core.inference.stream import stream_chunks
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.progress import OnProgress, Progress
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.plan import (
    BLOCK_TILES,
    DENSE_BLOCK_TILES,
    Block,
    TilePlan,
    plan_tiles,
)
from histospace_core.slides.stain import StainNormaliser, fit_stain
from histospace_core.slides.tiles import sample_tiles
from histospace_core.slides.tissue import Tissue, find_tissue


@dataclass(frozen=True)
class Prepared:
    """What is known of a run before the network is loaded."""

    plan: TilePlan
    normalise: StainNormaliser
    overview: RGB | None
    key: dict[str, Any]


def plan_of(slide: Slide, tissue: Tissue, model: ModelPackage, stride_um: float | None) -> TilePlan:
    """Return the tiles that a model predicts on a slide."""
    return plan_tiles(
        slide,
        tissue,
        tile_px=model.tile_px,
        um_per_px=model.um_per_px,
        stride_um=stride_um,
        block_tiles=DENSE_BLOCK_TILES if model.dense else BLOCK_TILES,
    )


def prepare(
    slide: Slide, model: ModelPackage, *, stain: str, stride_um: float | None, fast: bool
) -> Prepared:
    """Find the tissue, plan the tiles and fit the stain."""
    tissue = find_tissue(slide)
    plan = plan_of(slide, tissue, model, stride_um)
    normalise = fit_stain(stain, slide, tissue)
    key = run_key(slide, model, plan, stain, fast=fast)
    # Without the tissue, whose summed-area tables take tens of megabytes.
    return Prepared(plan, normalise, tissue.overview, key)


@contextmanager
def tuned(
    run: Prepared, slide: Slide, model: ModelPackage, device: str, *, fast: bool
) -> Iterator[Predictor]:
    """Load the network, in the form that is fastest on this machine if `fast`."""
    with Predictor(model, device) as predict:
        if fast:
            # Normalised, as the network will see them: activations are measured on the sample.
            predict.tune(*map(run.normalise, sample_tiles(slide, run.plan, model.views)))
        yield predict


def encode_missing(
    run: Prepared,
    slide: Slide,
    model: ModelPackage,
    predict: Predictor,
    journal: Journal,
    chunks: Sequence[list[Block]],
    on_progress: OnProgress,
    seconds_after: float = 0.0,
) -> int:
    """Encode those of some chunks that the journal lacks; return the tiles that it had.

    `seconds_after` is what the run is expected to take afterwards.
    """
    plan = run.plan
    todo = [chunk for chunk in chunks if not journal.is_finished(plan.tiles(chunk))]
    total = _count(chunks)
    earlier = done = total - _count(todo)
    countdown = Countdown(total, seconds_after)

    def on_tiles(n: int) -> None:
        nonlocal done
        done += n
        on_progress(Progress(done, total, "predicting", seconds_left=countdown(done)))

    for chunk in stream_chunks(slide, plan, todo, predict, model.views, run.normalise, on_tiles):
        journal.write(chunk.tiles, chunk.codes, chunk.columns)
    return earlier


def _count(chunks: Sequence[list[Block]]) -> int:
    return sum(block.n_tiles for chunk in chunks for block in chunk)


def is_finished(run_dir: Path) -> bool:
    """Return whether a folder holds a finished run."""
    return store_path(run_dir).exists()


def finished_record(run_dir: Path, key: dict[str, Any]) -> RunRecord | None:
    """Return the record of the finished run with this key in the folder, if it has one."""
    if not is_finished(run_dir):
        return None
    try:
        record = read_record(record_path(run_dir))
    except StoreError:
        return None
    if record.key_sha256 != key_digest(key):
        return None
    shutil.rmtree(journal_path(run_dir), ignore_errors=True)  # stopped just before its removal
    return record
