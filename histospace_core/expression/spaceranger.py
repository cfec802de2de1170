"""10x Visium and Visium HD: the output folder of Space Ranger."""

import json
import re
import unicodedata
import zlib
from pathlib import Path

import numpy as np

from histospace_core.errors import MeasurementError
from histospace_core.expression.aggregated import is_aggregated, read_library
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.barcodes import match_barcodes
from histospace_core.expression.choice import ONLY, Choice, choose, refuse_unused
from histospace_core.expression.layout import Layout, find_sections, section_name
from histospace_core.expression.matrix_pairs import require_same, require_within
from histospace_core.expression.packed import open_unpacked
from histospace_core.expression.positions import read_agreeing
from histospace_core.expression.section_files import Section
from histospace_core.expression.tenx import Matrix, is_mtx, read_10x

_BIN = re.compile(r"(?:square_)?0*(\d{1,3}) ?(?:[uµμ]m)?", re.IGNORECASE)
_MAY_BE_COUNTS = re.compile(r"(?!.*(molecule|slice|probe|cell)).*\.h5(\.gz)?", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tar\.\w{2,3})$", re.IGNORECASE)


def read_spaceranger(folder: Path, choice: Choice = ONLY, source: Path | None = None) -> RawCounts:
    """Read one section of a Space Ranger folder: counts, positions, spot diameter.

    The folder may be `outs`, any folder above it, a flat folder, a folder of GEO files, or one bin
    size of Visium HD; `layout` finds what it holds. Only spots with `in_tissue` 1 are kept.

    Raises
    ------
    MeasurementError
        A file is missing or damaged, files contradict each other, or there are several sections
        and `choice` names none.
    """
    source = source or folder
    layout = find_sections(folder, source)
    notes: list[str] = []
    section = _choose(layout, folder, choice, source, notes)
    matrix = _read_counts(section, source, notes)
    aggregated = is_aggregated(section, matrix)
    used = ["sample"]
    used += ["library"] if aggregated else []
    used += ["bin"] if section.bin is not None else []
    refuse_unused(choice, used, source)
    if aggregated:
        matrix, positions, scales = read_library(section, matrix, choice.library, source)
    else:
        positions, scales = read_agreeing(section.positions), section.scales
    notes += matrix.notes
    keep, under = match_barcodes(matrix.barcodes, positions, source, notes)
    if layout.has_cells:
        notes.append("Counts of segmented cells (segmented_outputs) are not read.")
    return RawCounts(
        source=source,
        kind="space-ranger",
        counts=matrix.counts[keep],
        spots=[matrix.barcodes[i] for i in keep],
        names=matrix.names,
        gene_ids=matrix.ids,
        # the file has the row before the column, and x is the column
        centres=under[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(np.float64),
        notes=notes,
        spot_diameter=_spot_diameter(scales, notes),
    )


def _choose(
    layout: Layout, folder: Path, choice: Choice, source: Path, notes: list[str]
) -> Section:
    """Return the only section, or the one that was chosen by sample and bin size."""
    if not layout.sections:
        raise _nothing(layout, source)
    by_sample: dict[str, list[Section]] = {}
    aliases: dict[str, str] = {}
    for section in layout.sections:
        alone = sum(other.home == section.home for other in layout.sections) == 1
        name = section_name(section, folder, alone) or _ARCHIVE.sub("", source.name)
        # counts beside bins of Visium HD are no bin size, so they are another sample
        taken = [
            s
            for s in by_sample.get(name, [])
            if s.bin == section.bin or None in (s.bin, section.bin)
        ]
        full = section.home.relative_to(folder).as_posix()
        name = full if taken else name
        by_sample.setdefault(name, []).append(section)
        aliases[full] = aliases[section.home.name] = name
    given = choice.sample and unicodedata.normalize("NFC", choice.sample.strip("/"))
    if given is not None and given not in by_sample:
        given = aliases.get(given, given)
    sample = choose("sample", list(by_sample), given, source)
    sections = by_sample[sample]
    if len(by_sample) > 1:
        notes.append(f"Sample '{sample}' was read, one of {len(by_sample)}.")
    rest = sorted({p.name for s in layout.parts for p in (s.filtered or s.raw or s.positions)[:1]})
    if rest:
        notes.append(
            f"{', '.join(rest)[:200]} is without its counts or positions, and was not read."
        )
    if layout.packed:
        notes.append(f"Packed files were not read: {', '.join(layout.packed)[:200]}.")
    return _choose_bin(sections, choice.bin, source, notes)


def _choose_bin(
    sections: list[Section], given: str | None, source: Path, notes: list[str]
) -> Section:
    by_bin = {section.bin: section for section in sections if section.bin is not None}
    if not by_bin:
        return sections[0]
    digits = given and _BIN.fullmatch(given.strip())
    wanted = f"square_{int(digits[1]):03}um" if digits else given
    chosen = choose("bin", sorted(by_bin), wanted, source)
    if len(by_bin) > 1:
        notes.append(f"Bin size {chosen} was read, one of {len(by_bin)}.")
    return by_bin[chosen]


def _nothing(layout: Layout, source: Path) -> MeasurementError:
    counts = [s for s in layout.parts if s.has_counts]
    positions = [s for s in layout.parts if s.has_positions]
    if counts and positions:
        return MeasurementError(
            f"counts ({(counts[0].filtered or counts[0].raw)[0].name}) and positions "
            f"({positions[0].positions[0].name if positions[0].positions else 'of libraries'}) "
            "do not lie in one folder with one name",
            path=source,
            remedy="put the counts beside the `spatial` folder of the same section",
        )
    if layout.packed:
        return MeasurementError(
            f"holds packed files ({', '.join(layout.packed[:3])[:120]})",
            path=source,
            remedy="unpack them, each section into its own folder",
        )
    others = ", ".join(layout.others[:3])[:120]
    if positions:
        cells = " (counts of segmented cells are not read)" if layout.has_cells else ""
        named = [name for name in layout.others if _MAY_BE_COUNTS.fullmatch(name)]
        seen = f" (but {named[0][:80]})" if len(named) == 1 else ""
        return MeasurementError(
            "no filtered_feature_bc_matrix.h5 and no folder filtered_feature_bc_matrix found"
            + cells
            + seen,
            path=source,
            remedy=f"if {named[0][:80]} holds the counts, name it so"
            if seen
            else "give the Space Ranger folder with its counts",
        )
    if layout.others and not counts:
        return MeasurementError(
            f"holds {others} and no output of Space Ranger",
            path=source,
            remedy="give that file itself, unpacked; a table of counts also needs its spot file "
            "(--spots)",
        )
    return MeasurementError(
        "no tissue_positions.csv (or tissue_positions_list.csv or .parquet) was found",
        path=source,
        remedy="give the Space Ranger folder with its `spatial` folder",
    )


def _read_counts(section: Section, source: Path, notes: list[str]) -> Matrix:
    """Read the filtered matrix, or else the raw one; other files of it must say the same."""
    files = sorted(section.filtered or section.raw, key=is_mtx)
    matrix = read_10x(files[0])
    for other in files[1:]:
        require_same(matrix, files[0], other, source)
    if not section.filtered:
        notes.append("The raw matrix was read, because there is no filtered one.")
    elif section.raw:
        for raw in section.raw:
            require_within(matrix, files[0], raw, source)
    return matrix


def _spot_diameter(scales: list[Path], notes: list[str]) -> float | None:
    found = sorted({_diameter(path) for path in scales} - {None}, key=float)  # type: ignore[arg-type]
    if len(found) > 1:
        shown = " and ".join(f"{value:g}" for value in found[:2])
        notes.append(f"Scale factors differ ({shown} px), so the size of a spot is not known.")
    return found[0] if len(found) == 1 else None


def _diameter(path: Path) -> float | None:
    try:
        with open_unpacked(path) as file:
            content = file.read(2**20)  # a real one has a few hundred bytes
        return float(json.loads(content)["spot_diameter_fullres"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
        return None  # it only sets the size at which spots are drawn
