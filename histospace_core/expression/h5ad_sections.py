"""Which spots of an `.h5ad` belong to one section, where it holds several."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice, choose, refuse_unused

SECTION_COLUMNS = (
    "library_id", "library", "section", "section_id", "sample", "sample_id", "sample_name",
    "slide", "slide_id", "capture_area", "dataset",
)  # fmt: skip
"""Columns of `obs` that name the section, unless the positions clearly form one."""
OTHER_COLUMNS = ("batch", "orig.ident", "orig_ident", "patient", "patient_id", "donor", "donor_id",
                 "subject", "individual", "replicate", "array", "image", "region")  # fmt: skip
"""Columns that may name it: only where the spots of different values lie on each other."""
BARCODE = re.compile(r"[ACGT]{12,}|(?<!\d)\d+(?:\.0)?[x_]\d+(?:\.0)?(?!\d)")
OVERLAP, TOUCHING = 0.5, 1.5  # distances in pitches of the array
SHARE = 0.02  # of the spots of the smaller section


@dataclass(frozen=True)
class Section:
    """The spots of one section.

    Attributes
    ----------
    spots : (n_spots,) True for those that belong to it.
    library : its name in `uns["spatial"]`, None if it has none.
    notes : sentences about the choice.
    """

    spots: NDArray[np.bool_]
    library: str | None
    notes: list[str]


def find_section(
    obs: pd.DataFrame,
    centres: NDArray[np.float64],
    file: h5py.File,
    choice: Choice,
    source: Path,
) -> Section:
    """Return the section that is chosen, or the only one.

    Raises
    ------
    MeasurementError
        There are several and none is chosen, or `uns["spatial"]` names several and nothing says
        which spots belong to which.
    """
    libraries = _libraries(file)
    labels = _labels(obs, centres, libraries)
    everything = np.ones(len(obs), dtype=bool)
    if labels is None and len(libraries) > 1:
        raise MeasurementError(
            f'uns["spatial"] has {len(libraries)} libraries ({", ".join(libraries[:8])}), but no '
            "column of obs says which spots belong to which",
            path=source,
            remedy='name the library of each spot in obs["library_id"]',
        )
    if labels is None:
        _refuse_piled(obs, centres, source)
        if choice.library is not None and choice.library not in libraries:
            if libraries:
                choose("library", libraries, choice.library, source)
            refuse_unused(choice, (), source)
        return Section(everything, libraries[0] if libraries else None, [])
    names = list(dict.fromkeys(labels))
    name = choose("library", names, choice.library, source)
    spots = labels == name
    notes = [] if spots.all() else [f"{spots.sum()} of {len(obs)} spots are of library {name}."]
    if name in libraries or not libraries:
        return Section(spots, name if name in libraries else None, notes)
    if len(libraries) == 1 and len(names) == 1:
        return Section(spots, libraries[0], notes)
    notes.append(
        f'uns["spatial"] has other names ({", ".join(libraries[:8])}), so the size of a spot is '
        "not known."
    )
    return Section(spots, None, notes)


def _refuse_piled(obs: pd.DataFrame, centres: NDArray[np.float64], source: Path) -> None:
    """Refuse spots that lie where others lie: two sections, with nothing that tells them apart."""
    places = pd.DataFrame(centres).duplicated(keep=False)
    if {"array_row", "array_col"} <= set(obs.columns):
        places |= obs[["array_row", "array_col"]].astype(str).duplicated(keep=False).to_numpy()
    # all at one place are not two sections
    several = len(np.unique(centres, axis=0)) > 1
    if several and np.isfinite(centres).all() and places.mean() > SHARE:
        raise MeasurementError(
            f"{places.sum():,} of {len(obs):,} spots lie where another one lies, as in a file of "
            "several sections, and no column of obs tells these apart",
            path=source,
            remedy='name the section of each spot in obs["library_id"]',
        )


def _libraries(file: h5py.File) -> list[str]:
    spatial = file.get("uns/spatial")
    if not isinstance(spatial, h5py.Group):
        return []
    return [name for name, item in spatial.items() if isinstance(item, h5py.Group)]


def _labels(
    obs: pd.DataFrame, centres: NDArray[np.float64], libraries: list[str]
) -> NDArray[np.str_] | None:
    """Return the section of each spot, None if nothing names it."""
    columns = {str(c).lower(): obs[c].astype(str).to_numpy(dtype=str) for c in obs.columns}
    sizes = {c: len(np.unique(values)) for c, values in columns.items()}
    # more than half as many names as spots is a name of each spot
    columns = {
        c: v
        for c, v in columns.items()
        if sizes[c] == 1 or sizes[c] <= len(obs) / 2 or set(v) <= set(libraries)
    }
    known = {*SECTION_COLUMNS, *OTHER_COLUMNS}
    # a cluster may be named 1 as a library is, so other columns must hold nothing but libraries
    named = [
        c
        for c, v in columns.items()
        if (set(v) & set(libraries) if c in known else set(v) <= set(libraries))
    ]
    if named:
        return columns[max(named, key=lambda c: (len(set(columns[c]) & set(libraries)), sizes[c]))]
    ids = _around_barcodes(obs)
    candidates: Mapping[str, tuple[bool, NDArray[np.str_]]] = {
        **{c: (True, columns[c]) for c in SECTION_COLUMNS if c in columns},
        **{c: (False, columns[c]) for c in OTHER_COLUMNS if c in columns},
        **({} if ids is None else {"": (False, ids)}),
    }
    several = {}
    for column, (names_sections, values) in candidates.items():
        if len(np.unique(values)) > 1:
            found = arrangement(values, centres, obs)
            if found == "over" or (names_sections and found == "apart"):
                several[column] = (names_sections, len(np.unique(values)), values)
    if several:
        return max(several.values(), key=lambda entry: entry[:2])[2]
    one = [v for c, v in columns.items() if c in SECTION_COLUMNS and sizes[c] == 1]
    return one[0] if one else None


def _around_barcodes(obs: pd.DataFrame) -> NDArray[np.str_] | None:
    """Return what stands around the barcode in each spot's id, such as `-1-0` or `S1_`."""
    spots = obs.index.astype(str)
    matches = [BARCODE.search(spot) for spot in spots]
    if not all(matches):
        return None
    around = [
        spot.replace(match.group(), "").strip("-_")
        for spot, match in zip(spots, matches, strict=True)
        if match
    ]
    return np.array([name or "(none)" for name in around], dtype=str)


def arrangement(labels: NDArray[np.str_], centres: NDArray[np.float64], obs: pd.DataFrame) -> str:
    """Tell how the spots of different labels lie: "over" each other, "beside" or "apart".

    Spots of one section are on one grid: none is nearer to another than the pitch. Spots with one
    barcode or array position cannot be of one section.

    Parameters
    ----------
    labels
        (n_spots,), at least two different ones.
    centres
        (n_spots, 2), in any unit.
    obs
        Table of the spots.
    """
    keys = _array_keys(obs)
    if keys is not None and _repeated(keys, labels):
        return "over"
    finite = np.isfinite(centres).all(axis=1)
    groups = [centres[(labels == name) & finite] for name in np.unique(labels)]
    groups = [g for g in groups if len(g) > 1]
    if len(groups) < 2:
        return "beside"
    trees = [KDTree(g) for g in groups]
    pitches = [
        float(np.median(t.query(g, k=2)[0][:, 1])) for t, g in zip(trees, groups, strict=True)
    ]
    apart = False
    for i, group in enumerate(groups):
        near = np.min([t.query(group)[0] for j, t in enumerate(trees) if j != i], axis=0)
        if (near < OVERLAP * pitches[i]).mean() > SHARE:
            return "over"
        apart = apart or not (near < TOUCHING * pitches[i]).any()
    return "apart" if apart else "beside"


def _array_keys(obs: pd.DataFrame) -> NDArray[np.str_] | None:
    """Return what is unique within one section: the array position, or the barcode."""
    if {"array_row", "array_col"} <= set(obs.columns):
        pairs = zip(obs["array_row"].astype(str), obs["array_col"].astype(str), strict=True)
        return np.array([f"{row}x{col}" for row, col in pairs], dtype=str)
    matches = [BARCODE.search(spot) for spot in obs.index.astype(str)]
    return np.array([m.group() for m in matches if m], dtype=str) if all(matches) else None


def _repeated(keys: NDArray[np.str_], labels: NDArray[np.str_]) -> bool:
    table = pd.DataFrame({"key": keys, "label": labels}).drop_duplicates()
    smallest = int(pd.Series(labels).value_counts().min())
    return bool(table["key"].duplicated().sum() > SHARE * smallest)
