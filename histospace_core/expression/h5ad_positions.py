"""Where an `.h5ad` keeps the centres of its spots, and in which unit."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from histospace_core.errors import MeasurementError
from histospace_core.expression.h5ad_elements import read_array
from histospace_core.expression.spot_columns import PIXELS, plain

PLACES = ("spatial", "X_spatial")
FULL_RESOLUTION = ("pxl_col_in_fullres", "pxl_row_in_fullres")
ARRAY = (("array_col", "array_row"), ("array_row", "array_col"))


def find_positions(
    file: h5py.File, obs: pd.DataFrame, notes: list[str], source: Path
) -> NDArray[np.float64]:
    """Return spot centres from `obsm["spatial"]`, `obsm["X_spatial"]` or columns of `obs`.

    Parameters
    ----------
    file, obs
        The file and its table of spots.
    notes
        What was taken from an unusual place is added here.
    source
        The file, for error messages.

    Raises
    ------
    MeasurementError
        There are none, or they contradict other columns of the file.
    """
    for place in PLACES:
        value = read_array(file, place)
        if value is not None:
            centres = _two_columns(value, place, len(obs), notes, source)
            if place != PLACES[0]:
                notes.append(f'Positions are those of obsm["{place}"].')
            _refuse_other_units(centres, obs, place, source)
            return centres
    columns = {plain(str(c)): c for c in obs.columns}
    for x, y in PIXELS:
        if x in columns and y in columns:
            notes.append(f"Positions are those of obs: {columns[x]} (x) and {columns[y]} (y).")
            return _numbers(obs[[columns[x], columns[y]]], "obs", source)
    raise MeasurementError(
        'the file has no obsm["spatial"]',
        path=source,
        remedy="store the spot centres there, in full-resolution pixels (x, y)",
    )


def _two_columns(
    value: np.ndarray | pd.DataFrame, place: str, n_spots: int, notes: list[str], source: Path
) -> NDArray[np.float64]:
    where = f'obsm["{place}"]'
    if isinstance(value, pd.DataFrame):
        value = _named(value, where, source)
    centres = np.asarray(value)
    if centres.shape == (n_spots, 3) and centres.dtype.kind in "iuf":
        if np.ptp(centres[:, 2]) != 0:
            raise MeasurementError(
                f"{where} holds x, y and z, and z differs between spots, as in a stack of sections",
                path=source,
                remedy="give one section, with two numbers (x, y) per spot",
            )
        notes.append(f"{where} has a third column that is the same for all spots; it was left out.")
        centres = centres[:, :2]
    if centres.shape != (n_spots, 2) or centres.dtype.kind not in "iuf":
        raise MeasurementError(
            f"{where} must hold two numbers (x, y) per spot, but its shape is {centres.shape}.",
            path=source,
        )
    return centres.astype(np.float64)


def _named(frame: pd.DataFrame, where: str, source: Path) -> NDArray[np.float64]:
    """Return x and y of a DataFrame by name; columns named 0 and 1 are in the order of an array."""
    columns = {plain(str(c)): c for c in frame.columns}
    for x, y in (*PIXELS, ("x", "y"), ("0", "1")):
        if x in columns and y in columns:
            return _numbers(frame[[columns[x], columns[y]]], where, source)
    raise MeasurementError(
        f"the columns of {where} are not known by name (found {', '.join(list(columns)[:8])}); "
        f"expected x, y or {' or '.join(', '.join(pair) for pair in PIXELS)}",
        path=source,
        remedy="name them so",
    )


def _numbers(frame: pd.DataFrame, where: str, source: Path) -> NDArray[np.float64]:
    for name in frame.columns:
        values = pd.to_numeric(frame[name].astype(object), errors="coerce").astype(float)
        if values.isna().any():
            i = int(values.isna().to_numpy().argmax())
            raise MeasurementError(
                f"{name} of {where} is '{frame[name].iloc[i]}' for spot {frame.index[i]}, which is "
                "missing or is not a number.",
                path=source,
            )
    return frame.astype(np.float64).to_numpy()


def _refuse_other_units(
    centres: NDArray[np.float64], obs: pd.DataFrame, place: str, source: Path
) -> None:
    """Refuse array positions, and positions that contradict those of Space Ranger in `obs`."""
    where = f'obsm["{place}"]'
    for names in ARRAY:
        if set(names) <= set(obs.columns) and len(obs) > 1:
            array = _numbers(obs[list(names)], "obs", source)
            if np.array_equal(array, centres):
                raise MeasurementError(
                    f"{where} repeats {names[0]} and {names[1]}, so it holds array positions, not "
                    "pixels",
                    path=source,
                    remedy="store the spot centres there, in full-resolution pixels (x, y)",
                )
    if not set(FULL_RESOLUTION) <= set(obs.columns):
        return
    pixels = _numbers(obs[list(FULL_RESOLUTION)], "obs", source)
    if np.abs(pixels - centres).max() <= 1:
        return
    exchanged = np.abs(pixels[:, ::-1] - centres).max() <= 1
    what = "holds y before x" if exchanged else "differs from them"
    i = int(np.abs(pixels - centres).max(axis=1).argmax())
    raise MeasurementError(
        f"obs has {FULL_RESOLUTION[0]} and {FULL_RESOLUTION[1]}, and {where} {what} (spot "
        f"{obs.index[i]}: {pixels[i, 0]:g}, {pixels[i, 1]:g} and {centres[i, 0]:g}, "
        f"{centres[i, 1]:g})",
        path=source,
        remedy=f"keep full-resolution pixels (x, y) in {where}, and no others in obs",
    )


def spot_diameter(
    file: h5py.File,
    library: str | None,
    centres: NDArray[np.float64],
    notes: list[str],
    source: Path,
) -> float | None:
    """Return the diameter of a spot in level-0 pixels, if `uns["spatial"]` has it.

    Raises
    ------
    MeasurementError
        The positions are those of the reduced image that the file contains.
    """
    if library is None:
        return None
    spatial = file[f"uns/spatial/{library}"]
    diameter = _number(spatial, "scalefactors/spot_diameter_fullres")
    scale = _number(spatial, "scalefactors/tissue_hires_scalef")
    image = spatial.get("images/hires")
    if len(centres) < 2 or not np.isfinite(centres).all():
        return diameter
    pitch = float(np.median(KDTree(centres).query(centres, k=2)[0][:, 1]))
    inside = (
        isinstance(image, h5py.Dataset)
        and image.ndim >= 2
        and scale is not None
        and scale < 0.9
        and bool((centres.max(axis=0) <= image.shape[1::-1]).all())
    )
    overlap = diameter is not None and pitch < 0.5 * diameter
    if inside and overlap:
        raise MeasurementError(
            f"the positions lie within the reduced image, and spots {diameter:.0f} px wide would "
            f"be {pitch:.0f} px apart, so they are pixels of that image",
            path=source,
            remedy=f"divide them by tissue_hires_scalef ({scale:g})",
        )
    if overlap:
        notes.append(
            f"Spots {diameter:g} px wide are {pitch:.3g} px apart: the positions or the diameter "
            "may not be in level-0 px."
        )
    elif inside:
        notes.append(
            "All positions lie within the reduced image of the file: they may not be in level-0 px."
        )
    return diameter


def _number(group: h5py.Group, name: str) -> float | None:
    value = group.get(name)
    if isinstance(value, h5py.Dataset) and value.size == 1 and value.dtype.kind in "iuf":
        return float(np.ravel(value[()])[0])
    return None
