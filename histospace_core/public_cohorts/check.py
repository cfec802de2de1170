"""Check that the spots of a downloaded section lie on its tissue; correct their orientation."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.errors import HistospaceError
from histospace_core.expression import Alignment, check_alignment, read_measured
from histospace_core.expression.align import AS_GIVEN, MARGIN, MIN_ON_TISSUE, orient
from histospace_core.files import atomic_write
from histospace_core.public_cohorts.source import PublicSection
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue

CORRECTED = "corrected"  # folder for measurements with corrected positions


@dataclass(frozen=True)
class CheckedSection:
    """A section after the check.

    Attributes
    ----------
    section : the row of the cohort table; if positions were corrected, its counts are a copy.
    usable : whether the cohort table lists it.
    orientation : the one that fits, by its name in `expression.align.ORIENTATIONS`.
    message : one sentence with the shares of spots on tissue.
    n_spots : number of spots that are used.
    """

    section: PublicSection
    usable: bool
    orientation: str
    message: str
    n_spots: int

    @property
    def corrected(self) -> bool:
        return self.section.counts.startswith(f"{CORRECTED}/")


def check_section(section: PublicSection, folder: Path) -> CheckedSection:
    """Compare the spots of a section with its tissue in all eight orientations.

    If another orientation clearly fits better, the positions are changed to it. Spots outside the
    image are left out. Either correction goes into a copy; the downloaded files remain unchanged.
    A section that cannot be read, or that fits in no orientation, is not usable; its message says
    why.
    """
    try:
        measured = read_measured(
            folder / section.counts, folder / section.spots if section.spots else None
        )
        with open_slide(folder / section.image, mpp=section.mpp) as slide:
            size, tissue = (slide.width, slide.height), find_tissue(slide)
    except HistospaceError as error:
        return CheckedSection(section, False, "", str(error), 0)
    downsample = (tissue.downsample_x, tissue.downsample_y)
    given = np.asarray(measured.obsm["spatial"], dtype=np.float64)
    alignment = check_alignment(given, tissue.mask, downsample, size)
    name = fitting_orientation(alignment)
    if name is None:
        return CheckedSection(section, False, "", alignment.message, len(given))
    centres = orient(given, name, size)
    inside = ((centres >= 0) & (centres < size)).all(axis=1)
    message = alignment.message
    if name != AS_GIVEN:
        found = check_alignment(centres, tissue.mask, downsample, size)
        message = (
            f"as published {alignment.on_tissue:.0%} of the spots lie on tissue, "
            f"{name} {found.on_tissue:.0%}: corrected ({name})."
        )
    if not inside.all():
        message += f" {(~inside).sum()} spots outside the image were left out."
    if name != AS_GIVEN or not inside.all():
        counts = _write_corrected(measured[inside], centres[inside], section.name, folder)
        section = replace(section, counts=counts, spots="")  # the h5ad holds the positions, too
    return CheckedSection(section, True, name, message, int(inside.sum()))


def fitting_orientation(alignment: Alignment) -> str | None:
    """Return the orientation to use, or None if the spots fit in none or in several others.

    Positions remain as published unless another orientation is better by a margin than the
    published one (which makes the verdict "misaligned") and than every other.
    """
    if alignment.verdict != "misaligned":
        return AS_GIVEN
    best, runner_up = sorted(alignment.shares.values(), reverse=True)[:2]
    clear = best >= max(MIN_ON_TISSUE, runner_up + MARGIN)
    return alignment.best if clear else None


def _write_corrected(
    measured: AnnData, centres: NDArray[np.float64], name: str, folder: Path
) -> str:
    path = f"{CORRECTED}/{name}.h5ad"
    corrected = AnnData(
        measured.X,
        obs=measured.obs[[]].copy(),
        var=measured.var[["gene_id"]].copy(),
        obsm={"spatial": centres},
    )
    with atomic_write(folder / path) as part:
        corrected.write_h5ad(part)
    return path
