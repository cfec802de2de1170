"""Facts read from the files of a section: size, spots, genes, alignment, pitch."""

import copy
import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from sys import intern

import numpy as np
from anndata import AnnData
from scipy.spatial import cKDTree

from histospace_core.errors import HistospaceError, MeasurementError
from histospace_core.expression import Alignment, check_alignment, read_measured
from histospace_core.files import FileVersion, file_versions
from histospace_core.slides.content import slide_files
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue
from histospace_core.training.cohort import Section


@dataclass(frozen=True)
class SectionFacts:
    """Measurements taken from the image, counts and spots of a section.

    Attributes
    ----------
    width, height : int
        Of the image, level-0 px.
    mpp : float
        Pixel size of the image, um/px.
    n_spots, n_outside : int
        Number of measured spots, and of those whose centre is outside the image.
    genes : tuple of str
    alignment : Alignment
        Whether the spots lie on the tissue.
    pitch_um : float
        Median distance from a spot to its nearest neighbour, um: about 100 for Visium and 200 for
        legacy ST.
    counts_fingerprint : str
        Digest of the counts, the same for every file format and order.
    """

    width: int
    height: int
    mpp: float
    n_spots: int
    n_outside: int
    genes: tuple[str, ...]
    alignment: Alignment
    pitch_um: float
    counts_fingerprint: str


def section_facts(section: Section) -> SectionFacts:
    """Read a section's files and measure it; unchanged files are not read again.

    Raises
    ------
    HistospaceError
        The image or the counts cannot be read, the pixel size is unknown, the slide has no tissue,
        or there are fewer than two spots.
    """
    facts = _read_once(replace(section, name="", patient=""), _files(section))
    if isinstance(facts, HistospaceError):
        raise copy.copy(facts)  # a caller may change the name that the error shows
    return facts


def counts_fingerprint(measured: AnnData) -> str:
    """Return a digest of the counts that ignores the order of spots and genes, and the file."""
    by_gene = np.asarray(measured.X.sum(0), dtype=np.float64).ravel()
    # sums and not the matrix, because spots have no common order
    by_spot = np.sort(np.asarray(measured.X.sum(1), dtype=np.float64).ravel())
    present = sorted(
        (str(gene), total)
        for gene, total in zip(measured.var_names, by_gene, strict=True)
        if total > 0  # some formats leave out genes without counts
    )
    return hashlib.sha256(repr((present, by_spot.tolist())).encode()).hexdigest()


def counts_files(counts: Path) -> list[Path]:
    """Return the files of a section's counts: one file, or all files of a Space Ranger folder."""
    return sorted(p for p in counts.rglob("*") if p.is_file()) if counts.is_dir() else [counts]


def _files(section: Section) -> tuple[FileVersion, ...]:
    spots = [section.spots] if section.spots else []
    files = [*slide_files(section.image), *counts_files(section.counts), *spots]
    return file_versions(file for file in files if file.is_file())


@lru_cache(maxsize=256)
def _read_once(
    section: Section,
    _versions: tuple[FileVersion, ...],  # only a part of the cache key
) -> SectionFacts | HistospaceError:
    """Return the facts, or the error that reading raised; both stay valid until a file changes."""
    try:
        return _read(section)
    except HistospaceError as error:
        return error.with_traceback(None)  # its frames would keep pixels and counts in memory


def _read(section: Section) -> SectionFacts:
    measured = read_measured(section.counts, section.spots, section.choice)
    centres = np.asarray(measured.obsm["spatial"], dtype=np.float64)
    if len(centres) < 2:
        raise MeasurementError("Fewer than two spots were measured; check the spot file.")
    with open_slide(section.image, mpp=section.mpp, series=section.series) as slide:
        size, um_per_px = (slide.width, slide.height), slide.mpp
        tissue = find_tissue(slide)
    downsample = (tissue.downsample_x, tissue.downsample_y)
    inside = ((centres >= 0) & (centres < size)).all(axis=1)
    nearest = cKDTree(centres).query(centres, k=2)[0][:, 1]  # the first of two is the spot itself
    return SectionFacts(
        width=size[0],
        height=size[1],
        mpp=um_per_px,
        n_spots=len(centres),
        n_outside=int((~inside).sum()),
        genes=tuple(intern(str(gene)) for gene in measured.var_names),  # one copy for all sections
        alignment=check_alignment(centres, tissue.mask, downsample, size),
        pitch_um=float(np.median(nearest)) * um_per_px,
        counts_fingerprint=counts_fingerprint(measured),
    )
