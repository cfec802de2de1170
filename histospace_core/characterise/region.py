"""A region: an area of the slide with a name, drawn by a person."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import points_in_poly

from histospace_core.characterise.polygons import Polygon, Ring, closed, mended, signed_area
from histospace_core.errors import RegionError


@dataclass(frozen=True)
class Region:
    """A named area in level-0 px: all that any of its polygons holds, less that one's holes.

    Attributes
    ----------
    name : str
    polygons : tuple of Polygon
        Each an outer ring (k, 2), then its holes.
    colour : str
        ``"#rrggbb"``, or nothing where none was chosen.
    """

    name: str
    polygons: tuple[Polygon, ...]
    colour: str = ""

    @classmethod
    def drawn(cls, name: str, points: ArrayLike, colour: str = "") -> Self:
        """Make a region of one line drawn around it; where the line crosses itself it is mended.

        Raises
        ------
        RegionError
            The line encloses nothing.
        """
        try:
            polygons = mended(closed(points))
        except (ValueError, TypeError, IndexError) as error:
            raise RegionError("This drawing has no proper points; draw it again.") from error
        if not any(signed_area(polygon[0]) for polygon in polygons):
            raise RegionError("This drawing encloses nothing; draw around an area.")
        return cls(name, tuple(polygons), colour)

    @classmethod
    def from_geometry(cls, name: str, geometry: dict[str, Any], colour: str = "") -> Self:
        """Make a region of what `geometry` gave."""
        coordinates = geometry["coordinates"]
        polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
        rings = (tuple(np.asarray(r, dtype=np.float64) for r in polygon) for polygon in polygons)
        return cls(name, tuple(rings), colour)

    @property
    def geometry(self) -> dict[str, Any]:
        """GeoJSON geometry: Polygon, or MultiPolygon where there are several."""
        coordinates = [[ring.tolist() for ring in polygon] for polygon in self.polygons]
        if len(coordinates) == 1:
            return {"type": "Polygon", "coordinates": coordinates[0]}
        return {"type": "MultiPolygon", "coordinates": coordinates}

    @property
    def rings(self) -> tuple[Ring, ...]:
        """All rings, holes too."""
        return tuple(ring for polygon in self.polygons for ring in polygon)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)``, level-0 px."""
        corners = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        return float(x0), float(y0), float(x1), float(y1)

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether each point (n, 2) lies inside; a hole is outside."""
        inside = np.zeros(len(points), dtype=bool)
        for outer, *holes in self.polygons:
            here = _inside(outer, points)
            for hole in holes:
                here &= ~_inside(hole, points)
            inside |= here
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


def _inside(ring: Ring, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether points lie in a ring; those outside its box are not looked at."""
    inside = np.zeros(len(points), dtype=bool)
    near = np.flatnonzero(((points >= ring.min(0)) & (points <= ring.max(0))).all(1))
    inside[near] = points_in_poly(points[near], ring) if len(near) else False
    return inside
