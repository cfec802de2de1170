"""Is a section fit for training? Its pixel size, its spots on its tissue, its counts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from anndata import AnnData
from scipy.spatial import cKDTree

from histospace_core.catalog import SlideRow
from histospace_core.errors import HistospaceError, MeasurementError
from histospace_core.evaluation.audit import fingerprint
from histospace_core.expression import Alignment, check_alignment, read_measured
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue


@dataclass(frozen=True)
class SectionCheck:
    """What a look at a section's files has found.

    Attributes
    ----------
    problem : str
        Why it cannot be used, a sentence; "" if it can.
    note : str
        How its spots lie on the tissue, a sentence; "" where they could not be laid on it.
    verdict : "aligned", "misaligned", "unclear" or ""
    n_spots : int
    genes : tuple of str
    on_tissue : float
        Share of the spots.
    spacing_um : float
        Median distance of a spot to its nearest, um: about 100 for Visium, 200 for legacy ST. Far
        from it, the pixel size or the positions are wrong.
    fingerprint : str
        Digest of the counts, whatever file they are in.
    """

    problem: str = ""
    note: str = ""
    verdict: Literal["aligned", "misaligned", "unclear", ""] = ""
    n_spots: int = 0
    genes: tuple[str, ...] = ()
    on_tissue: float = float("nan")
    spacing_um: float = float("nan")
    fingerprint: str = ""


def check_section(slide: SlideRow) -> SectionCheck:
    """Check a slide with the measurement that is attached to it."""
    if not slide.counts_path:
        return SectionCheck(f"{slide.name} has no measured expression yet: bring it first.")
    if slide.mpp is None:
        return SectionCheck(f"the pixel size of {slide.name} is not known: state it under Slides.")
    try:
        spots = Path(slide.spots_path) if slide.spots_path else None
        measured = read_measured(slide.counts_path, spots)
        alignment, spacing = lay_on(slide, measured)
    except HistospaceError as error:
        return SectionCheck(str(error))
    return SectionCheck(
        problem=alignment.message if alignment.verdict == "misaligned" else "",
        note=alignment.message,
        verdict=alignment.verdict,
        n_spots=measured.n_obs,
        genes=tuple(map(str, measured.var_names)),
        on_tissue=alignment.on_tissue,
        spacing_um=spacing,
        fingerprint=fingerprint(measured),
    )


def lay_on(slide: SlideRow, measured: AnnData) -> tuple[Alignment, float]:
    """Hold the spots against the slide's tissue; return that, and their spacing in um.

    Raises
    ------
    HistospaceError
        The slide cannot be read, has no tissue, or there are no spots.
    """
    centres = np.asarray(measured.obsm["spatial"], dtype=np.float64)
    if len(centres) < 2:
        raise MeasurementError("fewer than two spots were measured: there is nothing to learn.")
    with open_slide(slide.file, slide.mpp if slide.mpp_source == "user" else None) as opened:
        tissue = find_tissue(opened)
        downsample = (tissue.downsample_x, tissue.downsample_y)
        size = (opened.width, opened.height)
        alignment = check_alignment(centres, tissue.mask, downsample, size)
        nearest = cKDTree(centres).query(centres, k=2)[0][:, 1]
        return alignment, float(np.median(nearest) * opened.mpp)
