"""What can be chosen in a SpatialData store: tables, their regions, and transcripts."""

import re
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from histospace_core.expression.choice import Choice, choose, refuse_unused
from histospace_core.expression.zarr_store import Group
from histospace_core.files import is_hidden

BIN = re.compile(r"(?P<sample>.*?)_?square_0*(?P<um>\d+)um")


class Annotation(NamedTuple):
    """One table of the store, or its rows for one of several regions."""

    table: str
    region: str


def annotations(root: Group) -> dict[str, Annotation]:
    """Return what can be chosen, by name: each table, or each region of a table of several."""
    holder = root.get("tables") or root.get("table")  # one table in the first versions
    found: dict[str, Annotation] = {}
    for name, group in sorted(holder.groups()) if holder is not None else ():
        regions = group.attrs.get("region")
        if regions is None:
            continue  # a table that annotates nothing has no positions
        regions = [regions] if isinstance(regions, str) else list(regions)
        for region in regions:
            label = name if len(regions) == 1 else region
            label = label if label not in found else f"{name}/{region}"
            found[label] = Annotation(f"{holder.basename}/{name}", str(region))
    return found


def which_table(tables: dict[str, Annotation], choice: Choice, source: Path) -> Annotation:
    """Return the table that is meant: by sample and bin size in Visium HD, else by library."""
    bins = {name: match for name in tables if (match := BIN.fullmatch(name))}
    if not bins or choice.library is not None:
        refuse_unused(choice, ("library",), source)
        return tables[choose("library", list(tables), choice.library, source)]
    samples = sorted({match["sample"] for match in bins.values()})
    refuse_unused(choice, ("bin",) if samples == [""] else ("sample", "bin"), source)
    sample = choose("sample", samples, choice.sample, source)
    sizes = {f"{int(m['um']):03}": name for name, m in bins.items() if m["sample"] == sample}
    given = choice.bin
    if given is not None and (number := re.fullmatch(r"(?:square_)?0*(\d+)(?:um)?", given)):
        given = f"{int(number[1]):03}"
    return tables[sizes[choose("bin", sorted(sizes), given, source)]]


def molecules(path: Path, root: Group) -> list[str]:
    """Return the names of the points that are Xenium transcripts, by their columns."""
    found = []
    for name, group in root["points"].groups() if "points" in root else ():
        key = group.attrs.get("spatialdata_attrs", {}).get("feature_key")
        files = point_files(path, name)
        if key and files:
            columns = pq.read_schema(files[0]).names
            if {"x", "y", str(key), "qv"} <= set(columns):
                found.append(name)
    return sorted(found)


def point_files(path: Path, name: str) -> list[Path]:
    """Return the Parquet files of points, which Dask writes as a folder."""
    part = path / "points" / name / "points.parquet"
    if part.is_file():
        return [part]
    return sorted(file for file in part.glob("*.parquet") if not is_hidden(file.name))


def which_molecules(
    root: Group,
    tables: dict[str, Annotation],
    transcripts: list[str],
    choice: Choice,
    source: Path,
) -> str | None:
    """Return the points to read, None if a table is meant.

    A table of the cells of Xenium holds the same transcripts, and is read only if it is named.
    """
    if not transcripts or choice.library in tables:
        return None
    others = [n for n, a in tables.items() if "transcript_counts" not in root[f"{a.table}/obs"]]
    refuse_unused(choice, ("library",), source)
    chosen = choose("library", [*transcripts, *others], choice.library, source)
    return chosen if chosen in transcripts else None
