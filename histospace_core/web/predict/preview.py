"""Preview of a prediction: tissue, tiles and estimated time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histospace_core.catalog import Catalog, Kind, SlideRow, State
from histospace_core.figures.thumbnail import outline_tissue
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tissue import find_tissue

#: Tiles per second assumed without an earlier run: a laptop CPU, reading the slide included.
ASSUMED_SPEED = 40.0


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


def expected_seconds(catalog: Catalog, model_name: str, n_tiles: int) -> float:
    """Estimate the seconds for `n_tiles` from the newest finished prediction of the same model."""
    done = catalog.runs(kinds=[Kind.PREDICT], states=[State.DONE], model_name=model_name, limit=1)
    for run in done:
        if run.total and run.seconds > 0:
            return n_tiles * run.seconds / run.total
    return 5.0 + n_tiles / ASSUMED_SPEED
