"""Cohorts: which sections, of which patients, and their tiles and counts in memory."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.errors import CohortError
from histospace_core.expression import read_measured
from histospace_core.slides.open import open_slide
from histospace_core.slides.tiles import tiles_at

COLUMNS = ("section", "patient", "image", "counts", "spots", "mpp")


@dataclass(frozen=True)
class Section:
    """One row of a cohort table; `spots` is None where the counts carry their positions."""

    name: str
    patient: str
    image: Path
    counts: Path
    spots: Path | None
    mpp: float | None


@dataclass(frozen=True)
class SectionData:
    """A section in memory: one tile a spot.

    Attributes
    ----------
    tiles : uint8 (spots, tile_px, tile_px, 3)
    measured : AnnData
        Raw counts (spots, all genes), as `read_measured` returns them.
    """

    section: Section
    tiles: NDArray[np.uint8]
    measured: AnnData

    @property
    def n_spots(self) -> int:
        return len(self.tiles)


def read_cohort(table: Path) -> list[Section]:
    """Read a cohort CSV (`section,patient,image,counts,spots,mpp`, paths relative to it).

    Raises
    ------
    CohortError
        A column, value or file is missing, or a section is named twice.
    """
    if not table.is_file():
        raise CohortError(f"There is no cohort table '{table}'; give the path of a CSV file.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(f"'{table.name}' is not a CSV table in UTF-8.") from error
    absent = [c for c in COLUMNS if c not in columns and c not in {"spots", "mpp"}]
    if absent:
        raise CohortError(
            f"'{table.name}' lacks the column {absent[0]}; it needs {','.join(COLUMNS)}."
        )
    if not rows:
        raise CohortError(f"'{table.name}' lists no section.")
    sections = [_section(table, line, row) for line, row in enumerate(rows, start=2)]
    names = [s.name for s in sections]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise CohortError(f"'{table.name}' lists section '{twice}' more than once.")
    return sections


def load_sections(
    sections: Sequence[Section], *, tile_px: int, um_per_px: float, stain: str = "none"
) -> dict[str, SectionData]:
    """Load tiles and counts of several sections, by name."""
    return {s.name: _load(s, tile_px, um_per_px, stain) for s in sections}


def _load(section: Section, tile_px: int, um_per_px: float, stain: str) -> SectionData:
    measured = read_measured(section.counts, section.spots)
    with open_slide(section.image, mpp=section.mpp) as slide:
        centres = measured.obsm["spatial"]
        inside = (centres >= 0).all(1) & (centres < [slide.width, slide.height]).all(1)
        if not inside.all():
            raise CohortError(
                f"{(~inside).sum()} of {len(inside)} spots of section '{section.name}' lie outside "
                f"its image ({slide.width} x {slide.height} px); check that image, spots and "
                "pixel unit belong together."
            )
        tiles = tiles_at(slide, centres, tile_px=tile_px, um_per_px=um_per_px)
        if stain != "none":
            from histospace_core.slides.stain import fit_stain
            from histospace_core.slides.tissue import find_tissue

            tiles = fit_stain(stain, slide, find_tissue(slide))(tiles)
    return SectionData(section, tiles, measured)


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
            f"'{table.name}' line {line}: section, patient, image, counts are needed."
        )
    return Section(name, patient, image, counts, path("spots"), _mpp(table, line, row.get("mpp")))


def _mpp(table: Path, line: int, text: str | None) -> float | None:
    if not (text or "").strip():
        return None
    try:
        mpp = float(str(text))
    except ValueError:
        mpp = math.nan
    if not (math.isfinite(mpp) and mpp > 0):
        raise CohortError(f"'{table.name}' line {line}: mpp '{text}' is no pixel size in um.")
    return mpp
