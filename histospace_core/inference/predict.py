"""The main path: from a slide to a stored prediction."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histospace_core.errors import TissueError
from histospace_core.inference.provenance import provenance, run_key
from histospace_core.inference.store import PredictionWriter
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.slides.open import Slide
from histospace_core.slides.stain import fit_stain
from histospace_core.slides.tiles import BlockTiles, plan_tiles, stream_blocks
from histospace_core.slides.tissue import find_tissue

Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all); may raise `Cancelled`."""

MAX_UNREADABLE = 0.2
"""Share of tissue tiles that may be unreadable before the run fails."""


@dataclass(frozen=True)
class RunSummary:
    """What came out of a run: where it is, and the content of its `run.json`."""

    run_dir: Path
    record: dict[str, Any]

    @property
    def n_tiles(self) -> int:
        return int(self.record["tiles"]["total"])


def predict_slide(
    slide: Slide,
    model: ModelPackage,
    run_dir: Path,
    *,
    stain: str = "none",
    stride_um: float | None = None,
    device: str = "auto",
    on_progress: Progress | None = None,
) -> RunSummary:
    """Predict every tissue tile of a slide and store the result in `run_dir`.

    Called again after an interruption with the same arguments, it goes on with the tiles that are
    missing. Memory does not grow with the slide's pixels.

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

    Raises
    ------
    TissueError
        No tissue, or more than a fifth of it unreadable.
    StoreError
        `run_dir` holds another run, or the disk is full.
    """
    started = time.perf_counter()
    tissue = find_tissue(slide)
    plan = plan_tiles(
        slide, tissue, tile_px=model.tile_px, um_per_px=model.um_per_px, stride_um=stride_um
    )
    normalise = fit_stain(stain, slide, tissue)
    key = run_key(slide, model, plan, stain)
    store = PredictionWriter(run_dir, plan.n_tiles, len(model.genes), key)
    with store as out, Predictor(model, device) as predict:
        resumed_from = done = out.rows_done
        blocks = stream_blocks(slide, plan, context=model.views[1:], skip_tiles=resumed_from)
        for block in blocks:
            expression, domain = predict(*block.recoloured(normalise).views)
            expression[~block.readable] = np.nan
            out.write(expression, _obs(block, domain))
            done += len(expression)
            if on_progress:
                on_progress(done, plan.n_tiles)
        obs = out.obs()
        _refuse_unreadable(slide, obs)
        record = provenance(slide, model, plan, normalise, predict, obs)
        record["timings"] = {
            "seconds": round(time.perf_counter() - started, 2),
            "tiles_from_earlier_attempt": resumed_from,
        }
        out.finish(obs, _var(model, predict), plan.centres, record)
    return RunSummary(run_dir, record)


def _obs(block: BlockTiles, domain: np.ndarray) -> pd.DataFrame:
    """Quality of a block's tiles: one row a tile."""
    qc = np.where(block.readable, "ok", "unreadable")
    scores = np.where(block.readable, domain, np.nan).astype(np.float32)
    return pd.DataFrame({"qc": qc, **block.quality, "domain_score": scores})


def _refuse_unreadable(slide: Slide, obs: pd.DataFrame) -> None:
    share = float((obs["qc"] == "unreadable").mean())
    if share > MAX_UNREADABLE:
        raise TissueError(
            f"{share:.0%} of the tissue of {slide.path.name} cannot be read; the file is damaged, "
            "export or copy it again."
        )


def _var(model: ModelPackage, predict: Predictor) -> pd.DataFrame:
    """The genes with their held-out scores and the training mean, the image-free baseline."""
    var = model.genes.set_index("gene")
    var["gene_id"] = var["gene_id"].fillna("").astype(str)
    var["reliable"] = var["reliable"].astype(bool)
    var["training_mean"] = predict.network.mean_profile.cpu().numpy()
    return var
