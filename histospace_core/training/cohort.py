"""Cohorts: the table of sections and patients, and sections loaded into memory."""

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.errors import CohortError
from histospace_core.expression import Choice, read_measured
from histospace_core.expression.choice import ONLY
from histospace_core.slides.open import open_slide
from histospace_core.slides.patches import Windows, groups
from histospace_core.slides.tiles import cut_spot_windows, tiles_at
from histospace_core.slides.view import View

COLUMNS = ("section", "patient", "image", "counts", "spots", "mpp")
CHOICES = ("series", "sample", "bin", "library")
"""Optional columns that choose where a file or folder holds several."""


@dataclass(frozen=True)
class Section:
    """One row of a cohort table; `spots` is None if the file of counts contains the positions."""

    name: str
    patient: str
    image: Path
    counts: Path
    spots: Path | None
    mpp: float | None
    series: str | None = None
    choice: Choice = ONLY


@dataclass(frozen=True, eq=False)
class SpotGroup:
    """Neighbouring spots of a section, by their numbers, and their windows in each view."""

    rows: NDArray[np.intp]
    windows: tuple[Windows, ...]

    def of(self, rows: NDArray[np.intp]) -> "SpotGroup | None":
        """Return the part of the group that is among `rows`, numbered by their order there."""
        _, here, there = np.intersect1d(self.rows, rows, return_indices=True)
        return SpotGroup(there, tuple(w.of(here) for w in self.windows)) if len(here) else None


@dataclass(frozen=True, eq=False)
class SectionData:  # compared by identity, because caches use it as a key
    """A section in memory: the views around each spot, and the counts.

    Attributes
    ----------
    views : tuple of uint8 (spots, px + 2 margin, px + 2 margin, 3)
        One array for each view of the network, with a margin on every side.
    measured : AnnData
        Raw counts (spots, all genes), as `read_measured` returns them.
    margins : tuple of int
        Width of the margin of each view, px, which lets training shift the centre.
    groups : tuple of SpotGroup
        The spots as a network sees them that predicts from patches; empty for other networks.
    """

    section: Section
    views: tuple[NDArray[np.uint8], ...]
    measured: AnnData
    margins: tuple[int, ...] = (0,)
    groups: tuple[SpotGroup, ...] = ()

    @property
    def n_spots(self) -> int:
        return self.measured.n_obs

    @property
    def tiles(self) -> NDArray[np.uint8]:
        """The first view without its margin, uint8 (spots, px, px, 3)."""
        return without_margin(self.views[0], self.margins[0])

    @property
    def centres(self) -> NDArray[np.float64]:
        """Spot centres, level-0 px, (spots, 2)."""
        return np.asarray(self.measured.obsm["spatial"], dtype=np.float64)

    @property
    def centres_um(self) -> NDArray[np.float64]:
        """Spot centres, um, (spots, 2)."""
        assert self.section.mpp is not None  # `load_sections` fills it in
        return self.centres * self.section.mpp

    def groups_of(self, rows: NDArray[np.intp]) -> tuple[SpotGroup, ...]:
        """Return the groups of some of the spots, numbered by their order in `rows`."""
        return tuple(filter(None, (group.of(rows) for group in self.groups)))


def without_margin(view: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    """Cut the margin off every side of a view (n, side, side, 3)."""
    return view[:, margin : view.shape[1] - margin, margin : view.shape[2] - margin]


def read_cohort(table: Path) -> list[Section]:
    """Read a cohort CSV (`section,patient,image,counts,spots,mpp`, paths relative to it).

    The optional columns `CHOICES` choose where a file or folder holds several.

    Raises
    ------
    CohortError
        A column, value or file is missing or invalid.
    """
    rows = read_rows(table, COLUMNS, "cohort table", optional={"spots", "mpp"})
    # line 1 is the header
    return [_section(table, line, row) for line, row in enumerate(rows, start=2)]


def read_rows(
    table: Path, columns: Sequence[str], what: str, optional: Collection[str] = ()
) -> list[dict[str, str]]:
    """Read the rows of a CSV table that a user wrote.

    Parameters
    ----------
    columns
        Columns that it must have, except the `optional` ones.
    what
        What the table is called in error messages.

    Raises
    ------
    CohortError
        There is no such file, it is not CSV, or a column or every row is missing.
    """
    if not table.is_file():
        raise CohortError(f"There is no {what} '{table}'; give the path of a CSV file.")
    try:
        # Excel writes a byte-order mark, which would become part of the first column's name
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            found = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(
            f"'{table.name}' is not a CSV table in UTF-8; save it again as CSV."
        ) from error
    absent = [c for c in columns if c not in found and c not in optional]
    if absent:
        raise CohortError(
            f"'{table.name}' lacks the column {absent[0]}; add the columns {','.join(columns)}."
        )
    if not rows:
        raise CohortError(f"'{table.name}' lists no section; add at least one row.")
    return rows


def load_sections(
    sections: Sequence[Section],
    views: Sequence[View],
    *,
    margin_um: float = 0.0,
    stain: str = "none",
    dense: bool = False,
) -> dict[str, SectionData]:
    """Load the views and counts of several sections, by name.

    This function checks nothing; call `cohort_check` first.

    Parameters
    ----------
    views
        Views that the network takes around each spot.
    margin_um
        Largest shift of a centre in training, um.
    dense
        Whether to cut the windows of the spots too, for a network that predicts from patches.
    """
    return {s.name: _load(s, views, margin_um, stain, dense=dense) for s in sections}


def _load(
    section: Section, views: Sequence[View], margin_um: float, stain: str, *, dense: bool
) -> SectionData:
    measured = read_measured(section.counts, section.spots, section.choice)
    centres = np.asarray(measured.obsm["spatial"], dtype=np.float64)
    with open_slide(section.image, mpp=section.mpp, series=section.series) as slide:
        margins = tuple(v.margin(margin_um) for v in views)
        cut = tuple(
            tiles_at(slide, centres, tile_px=v.px + 2 * m, um_per_px=v.um_per_px)
            for v, m in zip(views, margins, strict=True)
        )
        seen = [
            (rows, cut_spot_windows(slide, centres[rows], views))
            for rows in (groups(centres, slide.mpp) if dense else ())
        ]
        if stain != "none":
            from histospace_core.slides.stain import fit_stain
            from histospace_core.slides.tissue import find_tissue

            normalise = fit_stain(stain, slide, find_tissue(slide))
            cut = tuple(normalise(tiles) for tiles in cut)
            seen = [(rows, block.recoloured(normalise)) for rows, block in seen]
        section = replace(section, mpp=slide.mpp)
    spots = tuple(SpotGroup(rows, block.windows) for rows, block in seen)
    return SectionData(section, cut, measured, margins, spots)


def _section(table: Path, line: int, row: dict[str, str]) -> Section:
    def path(column: str) -> Path | None:
        value = (row.get(column) or "").strip()
        if not value:
            return None
        file = table.parent / value
        if not file.exists():
            raise CohortError(f"'{table.name}' line {line}: there is no file '{value}' ({column}).")
        return file

    image, counts = path("image"), path("counts")
    name, patient = (row.get("section") or "").strip(), (row.get("patient") or "").strip()
    if not (name and patient and image and counts):
        raise CohortError(
            f"'{table.name}' line {line} lacks a value; give section, patient, image and counts."
        )
    mpp = _mpp(table, line, row.get("mpp"))
    series, *choice = ((row.get(column) or "").strip() or None for column in CHOICES)
    return Section(name, patient, image, counts, path("spots"), mpp, series, Choice(*choice))


def _mpp(table: Path, line: int, text: str | None) -> float | None:
    if not (text or "").strip():
        return None
    try:
        mpp = float(str(text))
    except ValueError:
        mpp = math.nan
    if not (math.isfinite(mpp) and mpp > 0):
        raise CohortError(
            f"'{table.name}' line {line}: mpp '{text}' is not a pixel size; give um per px."
        )
    return mpp
