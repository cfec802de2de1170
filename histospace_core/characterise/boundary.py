"""Region of each tile, and expression as a function of the distance to a region's edge."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histospace_core.characterise.region import Region
from histospace_core.errors import MeasurementError
from histospace_core.evaluation.spatial import pitch


def region_labels(regions: list[Region], centres: NDArray[np.floating]) -> NDArray[np.str_]:
    """Return the name of the region that contains each tile centre, "" for none.

    Where regions overlap, the first one counts.
    """
    labels = np.full(len(centres), "", dtype=object)
    for region in reversed(regions):  # the first region is written last, so it wins
        labels[region.contains(centres)] = region.name
    return labels.astype(str)


def edge_distance(inside: NDArray[np.bool_], centres: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distance (n,) of each tile to the edge of a set of tiles; negative inside.

    The edge is midway between a tile inside and its neighbour outside.

    Parameters
    ----------
    inside : bool, (n,)
    centres : (n, 2), in the unit of the distance

    Raises
    ------
    MeasurementError
        All tiles are inside, or none.
    """
    if inside.all() or not inside.any():
        raise MeasurementError(
            "This region has no edge: it contains all tiles or none; choose another region."
        )
    half = pitch(centres) / 2
    into = cKDTree(centres[~inside]).query(centres)[0]
    out = cKDTree(centres[inside]).query(centres)[0]
    return np.where(inside, half - into, out - half)


def boundary_gradient(
    expression: NDArray[np.floating],
    distance_um: NDArray[np.floating],
    *,
    width_um: float = 200.0,
    reach_um: float = 1000.0,
) -> pd.DataFrame:
    """Return mean expression in bands of distance to the edge of a region.

    Parameters
    ----------
    expression : (n, genes)
    distance_um : (n,)
        To the edge, negative inside: `Region.signed_distance` or `edge_distance`, in um.
    width_um, reach_um : float
        Width of a band, and largest distance from the edge on either side.

    Returns
    -------
    DataFrame
        One row per band that contains tiles: ``from_um, to_um`` (negative inside), ``n_tiles``,
        then ``mean_<i>`` and ``sem_<i>`` of gene i. The standard error treats tiles as independent
        and is therefore a lower bound.
    """
    steps = int(np.ceil(reach_um / width_um))
    edges = np.arange(-steps, steps + 1) * width_um
    band = np.digitize(distance_um, edges) - 1
    known = np.isfinite(expression).all(1)
    rows = []
    for number in range(len(edges) - 1):
        values = expression[known & (band == number)].astype(np.float64)
        if len(values):
            error = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            means = {f"mean_{i}": v for i, v in enumerate(values.mean(0))}
            errors = {f"sem_{i}": v for i, v in enumerate(np.broadcast_to(error, values.shape[1:]))}
            place = {"from_um": edges[number], "to_um": edges[number + 1], "n_tiles": len(values)}
            rows.append(place | means | errors)
    return pd.DataFrame(rows)
