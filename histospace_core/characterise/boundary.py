"""Regions drawn in QuPath or another program, and expression against distance to their edge."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from histospace_core.errors import MeasurementError
from histospace_core.evaluation.spatial import pitch

LARGEST_FILE = 64 * 2**20
Ring = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """A named area in level-0 px: rings (k, 2), inside where an odd number of them encloses."""

    name: str
    rings: tuple[Ring, ...]

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether each point (n, 2) lies inside; a hole is outside."""
        inside = np.zeros(len(points), dtype=bool)
        for ring in self.rings:
            inside ^= points_in_poly(points, ring)
        return inside

    def signed_distance(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distance (n,) of each point to the edge, in the unit of the points; negative inside."""
        nearest = np.full(len(points), np.inf)
        for ring in self.rings:
            for start, end in pairwise(ring):
                along = end - start
                length = float(along @ along)
                share = np.clip((points - start) @ along / length, 0, 1) if length else 0.0
                foot = start + np.multiply.outer(share, along)
                nearest = np.minimum(nearest, np.linalg.norm(points - foot, axis=1))
        return np.where(self.contains(points), -nearest, nearest)


def read_regions(path: Path) -> list[Region]:
    """Read polygons of a GeoJSON file; those of one class name become one region.

    The name is that of the QuPath classification, else ``name``, else "region". Coordinates are
    level-0 px, x right and y down, as QuPath writes them.

    Raises
    ------
    MeasurementError
        The file cannot be read, is no GeoJSON, or has no polygon.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise MeasurementError(f"{path.name}: larger than 64 MB; export only the annotations.")
        return parse_regions(path.read_bytes(), path.name)
    except OSError as error:
        raise MeasurementError(f"{path.name}: cannot be read ({error.strerror}).") from error


def parse_regions(data: bytes, name: str) -> list[Region]:
    """Read polygons from the content of a GeoJSON file; as `read_regions`, which calls it.

    Raises
    ------
    MeasurementError
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MeasurementError(f"{name}: is no GeoJSON; export it from QuPath anew.") from error
    rings: dict[str, list[Ring]] = {}
    try:
        for feature in _features(content):
            of_class = _name(feature.get("properties") or {})
            rings.setdefault(of_class, []).extend(_rings(feature.get("geometry") or {}))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise MeasurementError(
            f"{name}: a polygon has no proper coordinates; export it from QuPath anew."
        ) from error
    regions = [Region(of_class, tuple(found)) for of_class, found in rings.items() if found]
    if not regions:
        raise MeasurementError(f"{name}: has no polygon; draw a closed region and export it.")
    return regions


def region_labels(regions: list[Region], centres: NDArray[np.floating]) -> NDArray[np.str_]:
    """Name of the region each tile centre lies in, "" for none; the first drawn wins."""
    labels = np.full(len(centres), "", dtype=object)
    for region in reversed(regions):
        labels[region.contains(centres)] = region.name
    return labels.astype(str)


def edge_distance(inside: NDArray[np.bool_], centres: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance (n,) of each tile to the edge of a region of tiles; negative inside.

    The edge runs midway between a tile inside and one outside.

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
        raise MeasurementError("This region has no edge: it holds all tiles or none.")
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
    """Mean expression in bands of distance to the edge of a region.

    Parameters
    ----------
    expression : (n, genes)
    distance_um : (n,)
        To the edge, negative inside: `Region.signed_distance` or `edge_distance`, in um.
    width_um, reach_um : float
        Of a band, and how far from the edge to look on either side.

    Returns
    -------
    DataFrame, a row a band that holds a tile: ``from_um, to_um`` (negative inside), ``n_tiles``,
    then ``mean_<i>`` and ``sem_<i>`` of gene i. The standard error counts tiles as independent,
    which neighbours are not: it is a lower bound.
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


def _features(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    if content.get("type") == "FeatureCollection":
        return content["features"]
    return [content if content.get("type") == "Feature" else {"geometry": content}]


def _name(properties: dict[str, Any]) -> str:
    classified = properties.get("classification") or {}
    return str(classified.get("name") or properties.get("name") or "region")


def _rings(geometry: dict[str, Any]) -> list[Ring]:
    if geometry.get("type") == "Polygon":
        polygons = [geometry["coordinates"]]
    elif geometry.get("type") == "MultiPolygon":
        polygons = geometry["coordinates"]
    else:
        return []  # points and lines enclose nothing
    return [_ring(ring) for polygon in polygons for ring in polygon]


def _ring(coordinates: Any) -> Ring:
    ring = np.asarray(coordinates, dtype=np.float64)[:, :2]
    if len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("a ring has three points or more")
    return ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]])
