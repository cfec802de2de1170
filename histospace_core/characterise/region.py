"""A region: a named area of a slide, drawn by a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import MultiPolygon, Polygon

from histospace_core.errors import RegionError

_SMALLEST_AREA = 1.0
"""Square px. A smaller piece of a repaired polygon is a slip of the hand and is dropped."""


@dataclass(frozen=True)
class Region:
    """A named area in level-0 px: the union of its polygons, including their edges.

    Attributes
    ----------
    name : str
    polygons : tuple of shapely.Polygon
        Valid polygons, which may overlap. They are stored as they were drawn, so that export and
        import leave a region unchanged.
    colour : str
        ``"#rrggbb"``, or "" if none was chosen.
    """

    name: str
    polygons: tuple[Polygon, ...]
    colour: str = ""

    @classmethod
    def drawn(cls, name: str, points: ArrayLike, colour: str = "") -> Self:
        """Make a region from its drawn outline, repaired where the line crosses itself.

        Raises
        ------
        RegionError
            The points are invalid, or the line encloses no area.
        """
        try:
            polygons = valid_polygons(polygon_of([points]))
        except (ValueError, TypeError, IndexError) as error:
            raise RegionError("This drawing has invalid points; draw it again.") from error
        if not polygons:
            raise RegionError("This drawing has no area; draw a line around one.")
        return cls(name, polygons, colour)

    @classmethod
    def from_geometry(cls, name: str, geometry: dict[str, Any], colour: str = "") -> Self:
        """Make a region from a GeoJSON geometry, as `geometry` returns it."""
        coordinates = geometry["coordinates"]
        shapes = [coordinates] if geometry["type"] == "Polygon" else coordinates
        polygons = (part for rings in shapes for part in valid_polygons(polygon_of(rings)))
        return cls(name, tuple(polygons), colour)

    @property
    def geometry(self) -> dict[str, Any]:
        """GeoJSON geometry: a Polygon, or a MultiPolygon if there are several."""
        coordinates = [
            [shapely.get_coordinates(r).tolist() for r in (polygon.exterior, *polygon.interiors)]
            for polygon in self.polygons
        ]
        if len(coordinates) == 1:
            return {"type": "Polygon", "coordinates": coordinates[0]}
        return {"type": "MultiPolygon", "coordinates": coordinates}

    @cached_property
    def area(self) -> Polygon | MultiPolygon:
        """The union of the polygons."""
        union = shapely.union_all(self.polygons)
        shapely.prepare(union)  # for `contains`, which tests every tile of a slide
        return union

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)``, level-0 px."""
        return self.area.bounds

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether each point (n, 2) lies inside or on the edge; a hole is outside."""
        # not contains_xy, which is false on the edge
        return shapely.intersects_xy(self.area, *points.T)

    def signed_distance(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the distance (n,) of each point to the edge, in the points' unit; inside < 0."""
        distance = shapely.distance(shapely.points(points), self.area.boundary)
        return np.where(self.contains(points), -distance, distance)


def polygon_of(rings: Sequence[ArrayLike]) -> Polygon:
    """Return the polygon of an outer ring and its holes; it is empty if a ring has no area.

    A ring need not be closed, and may repeat a point or have a third coordinate.

    Raises
    ------
    ValueError
        A ring is not a list of points, or a coordinate is not finite.
    """
    closed = [_closed(ring) for ring in rings]
    if any(len(ring) < 4 for ring in closed):  # a closed triangle has four points
        return Polygon()
    return Polygon(closed[0], closed[1:])


def _closed(points: ArrayLike) -> NDArray[np.float64]:
    ring = np.asarray(points, dtype=np.float64)
    if ring.ndim != 2 or ring.shape[1] < 2 or not np.isfinite(ring).all():
        raise ValueError("a ring is a list of points of two finite numbers")
    ring = ring[:, :2]
    ring = ring[np.append(True, (np.diff(ring, axis=0) != 0).any(1))]
    return ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]])


def valid_polygons(polygon: Polygon) -> tuple[Polygon, ...]:
    """Return the area of a polygon as valid polygons; none if it has no area.

    A valid polygon is returned unchanged. Otherwise the non-zero winding rule decides what is
    inside: a loop at the end of a lasso is filled, and a figure of eight keeps both halves.
    """
    if polygon.is_valid:
        return (polygon,) if polygon.area else ()
    # Ring by ring: otherwise a hole outside the outer ring would be added as area.
    outer, *holes = (_repaired(Polygon(ring)) for ring in (polygon.exterior, *polygon.interiors))
    parts = shapely.get_parts(outer - shapely.union_all(holes))
    return tuple(part for part in parts if part.area >= _SMALLEST_AREA)


def _repaired(polygon: Polygon) -> Polygon | MultiPolygon:
    # "structure" decides by winding number; the default, "linework", is even-odd.
    return shapely.make_valid(polygon, method="structure", keep_collapsed=False)
