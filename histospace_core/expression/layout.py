"""Find the sections in a folder of Space Ranger files, whatever way they are laid out.

A section is one parent folder that has counts and positions: `outs` with its `spatial`, a flat
folder, one prefix of a flat folder (as GEO names files), or one bin size of Visium HD. Counts of
one parent never meet the positions of another: all Visium slides of a version share their barcodes,
so nothing else would tell.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from histospace_core.errors import MeasurementError
from histospace_core.expression.section_files import Places, Section, strip_prefix
from histospace_core.files import is_hidden

DEPTH = 8  # levels of folders that are searched
MAX_FILES = 20_000

_PACKED = (".zip", ".tar", ".tar.gz", ".tgz")
_OTHERS = (".h5ad", ".h5", ".h5.gz", ".tsv", ".tsv.gz", ".txt.gz", ".rds", ".loom", ".h5mu", ".gef")


@dataclass(frozen=True)
class Layout:
    """What a folder holds: whole sections, parts of sections, and what is not read.

    Attributes
    ----------
    sections : sections with counts and positions.
    parts : sections that lack one of them.
    packed : names of archives inside.
    others : names of files that may be a measurement of another kind.
    has_cells : whether there are counts of segmented cells, which are not read.
    """

    sections: list[Section]
    parts: list[Section]
    packed: list[str]
    others: list[str]
    has_cells: bool


def find_sections(folder: Path, source: Path) -> Layout:
    """Gather every candidate of a folder and the folders below it.

    Parameters
    ----------
    folder
        Where to search.
    source
        What the user gave, for error messages: the folder, or the archive unpacked into it.

    Raises
    ------
    MeasurementError
        There are too many files to look at, or the counts of several sections share positions.
    """
    places = Places(folder)
    packed: list[str] = []
    others: list[str] = []
    has_cells = False
    for path in _walk(folder, source):
        if "segmented_outputs" in path.relative_to(folder).parts:
            has_cells = True
        elif path.name.casefold().endswith(_PACKED):
            packed.append(path.name)
        elif not places.sort_in(path) and path.name.casefold().endswith(_OTHERS):
            others.append(path.name)
    homes: dict[Path, list[Section]] = {}
    for section in places.sections.values():
        homes.setdefault(section.home, []).append(section)
    found = [section for home in homes.values() for section in _paired(home, source)]
    whole = [section for section in found if section.has_counts and section.has_positions]
    parts = [section for section in found if section.has_counts != section.has_positions]
    return Layout(whole, parts, packed, others, has_cells)


def section_name(section: Section, folder: Path, alone: bool) -> str:
    """Return the name by which ``--sample`` chooses a section.

    It is the folder below `folder`, without a last `outs`, and the prefix of the files unless the
    section is `alone` in its folder. Bin sizes of one section share its name.
    """
    home = section.home.relative_to(folder)
    if section.bin is not None:
        home = home.parent
        home = home.parent if home.name == "binned_outputs" else home
    parts = list(home.parts[:-1] if home.name == "outs" else home.parts)
    if section.prefix and not alone:
        parts.append(strip_prefix(section.prefix))
    return unicodedata.normalize("NFC", "/".join(parts))


def _walk(folder: Path, source: Path) -> Iterator[Path]:
    """Yield the visible files below `folder`, in order of their names."""
    folders = [(folder, 0)]
    visited: set[Path] = set()
    seen = 0
    while folders:
        place, depth = folders.pop(0)
        if place.resolve() in visited:  # links can lead in circles
            continue
        visited.add(place.resolve())
        for path in sorted(place.iterdir()):
            if is_hidden(path.name):
                continue
            seen += 1
            if seen > MAX_FILES:
                raise MeasurementError(
                    f"the folder holds more than {MAX_FILES:,} files",
                    path=source,
                    remedy="give the folder of one section",
                )
            if path.is_dir() and depth < DEPTH:
                folders.append((path, depth + 1))
            elif path.is_file():
                yield path


def _paired(sections: list[Section], source: Path) -> list[Section]:
    """Join counts and positions of one folder whose names begin differently, if that is certain."""
    counts = [s for s in sections if s.has_counts]
    lone = [s for s in counts if not s.has_positions]
    others = [s for s in sections if not s.has_counts]
    if len(counts) > 1 and lone and any(s.has_positions and s.prefix == "" for s in sections):
        names = ", ".join(p.name for s in counts for p in (s.filtered or s.raw)[:1])
        raise MeasurementError(
            f"holds counts of several sections ({names[:200]}) and positions of one",
            path=source,
            remedy="keep each section in its own folder",
        )
    if len(counts) != 1:
        return sections
    only = counts[0]
    with_positions = [s for s in others if s.has_positions]
    for other in others:
        one = not other.has_positions or (only in lone and len(with_positions) == 1)
        if one and not _are_different_records(only.prefix, other.prefix):
            only.join(other)
            sections = [s for s in sections if s is not other]
    return sections


def _are_different_records(first: str, second: str) -> bool:
    """Return whether two prefixes begin with different accession numbers of GEO."""
    found = [re.match(r"GSM\d+", prefix, re.IGNORECASE) for prefix in (first, second)]
    return all(found) and len({match[0].upper() for match in found if match}) > 1
