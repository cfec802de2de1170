"""Preview of a prediction: tissue, tiles and estimated time."""

from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from histospace_core.catalog import Catalog, Kind, SlideRow, State
from histospace_core.figures.thumbnail import outline_tissue
from histospace_core.inference import RunRecord
from histospace_core.inference.duration import storing_rate
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tissue import find_tissue

ASSUMED_SPEED, ASSUMED_FIXED = 200.0, 10.0
"""Tiles a second, and seconds besides, without an earlier run: those of a laptop's processor."""
REMEMBERED = 10
"""Finished predictions of a model from which the time of the next one is estimated."""

POOLING = 0.015
"""Work for a tile beside its share of patches, in tiles' worths of patches, if tiles share them."""


@dataclass(frozen=True)
class Preview:
    """Tissue and tiles of a slide.

    Attributes
    ----------
    picture : ndarray of uint8, (h, w, 3)
        Overview with the outline of the tissue.
    tissue_mm2 : float
    n_tiles : int
        Tiles on tissue, including those with ink or a fold.
    excluded : dict
        Number of tiles left out, by reason.
    notes : tuple of str
        What the user should know before the run, one sentence each.
    """

    picture: npt.NDArray[np.uint8]
    tissue_mm2: float
    n_tiles: int
    excluded: dict[str, int]
    notes: tuple[str, ...]


def preview(
    slide: SlideRow,
    *,
    tile_px: int,
    um_per_px: float,
    stride_um: float | None,
    icc: bool = True,
) -> Preview:
    """Find the tissue of a slide and plan its tiles in the same way as the run.

    Raises
    ------
    SlideError
        The slide cannot be read, its pixel size is unknown, or it has no tissue.
    """
    with open_slide(slide.file, slide.mpp_by_user, series=slide.series, icc=icc) as opened:
        tissue = find_tissue(opened)
        plan = plan_tiles(opened, tissue, tile_px=tile_px, um_per_px=um_per_px, stride_um=stride_um)
        area_um2 = tissue.mask.mean() * opened.width * opened.height * opened.mpp**2
        picture = outline_tissue(opened.thumbnail(720), tissue.mask)
    return Preview(picture, area_um2 / 1e6, plan.n_tiles, plan.left_out, tuple(plan.notes))


def colour_profile(slide: SlideRow) -> str:
    """Return the name of the profile that changes a slide's colours; "" if none does.

    Raises
    ------
    SlideError
        The slide cannot be read.
    """
    with open_slide(slide.file, slide.mpp_by_user, series=slide.series) as opened:
        return opened.properties.icc if opened.converts_colours else ""


def expected_seconds(
    catalog: Catalog, model_name: str, n_tiles: int, stride_um: float | None = None
) -> float:
    """Estimate the seconds of a prediction from finished ones of the same model.

    Parameters
    ----------
    n_tiles, stride_um
        Tiles, and the distance between them, um; a tile's side if None.
    """
    done = catalog.runs(
        kinds=[Kind.PREDICT], states=[State.DONE], model_name=model_name, limit=REMEMBERED
    )
    records = [run.prediction_record for run in done]
    # a run of the first version, or one that found all tiles finished, does not tell
    told = [r for r in records if r.timings.encoding_seconds and _work_done(r)]
    # older records do not tell storing from the start
    known = [r for r in told if r.timings.storing_seconds is not None] or told
    if not known:
        return ASSUMED_FIXED + n_tiles / ASSUMED_SPEED
    times = [r.timings for r in known]
    fixed = median(t.seconds - t.encoding_seconds - (t.storing_seconds or 0.0) for t in times)
    # sums, because a rate from a few tiles is uncertain
    work = sum(_work_done(r) for r in known)
    encoding = _work(known[0], n_tiles, stride_um) * sum(t.encoding_seconds for t in times) / work
    if times[0].storing_seconds is None:
        return fixed + encoding
    stored = sum(t.storing_seconds or 0.0 for t in times)
    rate = storing_rate(stored, sum(r.tiles.total for r in known))
    return fixed + encoding + n_tiles * rate


def _work_done(record: RunRecord) -> float:
    n = record.tiles.total - record.timings.tiles_from_earlier_attempt
    return _work(record, n, record.settings.stride_um)


def _work(record: RunRecord, n_tiles: int, stride_um: float | None) -> float:
    """Return the work of encoding: tiles, or mostly their area in tiles if they share patches."""
    settings = record.settings
    if not settings.dense:
        return n_tiles
    side = settings.tile_px * settings.um_per_px
    return n_tiles * (((stride_um or side) / side) ** 2 + POOLING)
