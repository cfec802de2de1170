"""Rings of polygons: closed, measured, and mended where they cross themselves."""

from collections import defaultdict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import points_in_poly

Ring = NDArray[np.float64]
"""Corners (k, 2) in level-0 px, x right and y down; the last is the first again."""
Polygon = tuple[Ring, ...]
"""An outer ring, then its holes."""

_SMALLEST_AREA = 1.0
"""A piece of a mended ring that is smaller, in square px, is a slip of the hand."""
_BESIDE = 1e-4
"""How far beside an edge to look, in lengths of the edge."""


def closed(points: ArrayLike) -> Ring:
    """Return points as a ring: x and y only, none twice in a row, the first again at the end.

    Raises
    ------
    ValueError
        They are no points, or not finite.
    """
    ring = np.asarray(points, dtype=np.float64)
    if ring.ndim != 2 or ring.shape[1] < 2 or not np.isfinite(ring).all():
        raise ValueError("a ring is a list of points of two finite numbers")
    ring = ring[:, :2]
    ring = ring[np.append(True, (np.diff(ring, axis=0) != 0).any(1))]
    return ring if (ring[0] == ring[-1]).all() else np.vstack([ring, ring[:1]])


def signed_area(ring: Ring) -> float:
    """Return the area of a ring, square px; its sign is the sense in which it runs."""
    x, y = (ring - ring[0]).T  # near the origin, where the products are small
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def crossings(ring: Ring) -> list[tuple[int, int, NDArray[np.float64]]]:
    """Return where edges i and j of a ring cross, and the point; to touch is not to cross."""
    start, end = ring[:-1], ring[1:]
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.argsort(low[:, 0], kind="stable")
    reach = np.searchsorted(low[order, 0], high[order, 0], "right")
    found = []
    for place, i in enumerate(order):
        others = order[place + 1 : reach[place]]
        others = others[(low[others, 1] <= high[i, 1]) & (high[others, 1] >= low[i, 1])]
        along, across = end[i] - start[i], end[others] - start[others]
        first = _cross(across, start[i] - start[others])
        last = _cross(across, end[i] - start[others])
        apart = _cross(along, start[others] - start[i]) * _cross(along, end[others] - start[i])
        for k in np.flatnonzero((first * last < 0) & (apart < 0)):
            share = first[k] / (first[k] - last[k])
            found.append((int(i), int(others[k]), start[i] + share * along))
    return found


def mended(ring: Ring) -> list[Polygon]:
    """Return the area that a ring goes around, as polygons that do not cross themselves.

    Where two edges cross, each goes on along the other (Seifert 1934, Math. Ann. 110:571): what is
    left are loops that only touch. Those between inside and outside, by the winding number, bound
    the area. A loop that a lasso made at its end is filled, both halves of an eight stay.
    """
    found = crossings(ring)
    if not found:
        return [(ring,)]
    outer: list[Ring] = []
    holes: list[tuple[Ring, NDArray[np.float64]]] = []
    for loop in _loops(ring, found):
        if abs(signed_area(loop)) < _SMALLEST_AREA:
            continue
        inner, beyond = _beside(loop)
        is_inside = bool(_winding(ring, inner))
        if is_inside == bool(_winding(ring, beyond)):
            continue
        if is_inside:
            outer.append(loop)
        else:
            holes.append((loop, inner))
    polygons: list[list[Ring]] = [
        [loop] for loop in sorted(outer, key=lambda r: abs(signed_area(r)))
    ]
    for hole, point in holes:
        for around in polygons:
            if points_in_poly(point[None], around[0])[0]:
                around.append(hole)
                break
    return [tuple(polygon) for polygon in polygons]


def _loops(ring: Ring, found: list[tuple[int, int, NDArray[np.float64]]]) -> list[Ring]:
    """Part a ring at its crossings into loops that cross neither themselves nor each other."""
    on_edge: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, (i, j, point) in enumerate(found):
        for edge in (i, j):
            on_edge[edge].append((float(np.linalg.norm(point - ring[edge])), number))
    nodes: list[NDArray[np.float64]] = []
    twice: dict[int, list[int]] = defaultdict(list)
    for edge, corner in enumerate(ring[:-1]):
        nodes.append(corner)
        for _, number in sorted(on_edge[edge]):
            twice[number].append(len(nodes))
            nodes.append(found[number][2])
    follows = [*range(1, len(nodes)), 0]
    for one, two in twice.values():
        follows[one], follows[two] = follows[two], follows[one]
    loops, left = [], set(range(len(nodes)))
    while left:
        node, loop = min(left), []
        while node in left:
            left.remove(node)
            loop.append(nodes[node])
            node = follows[node]
        loops.append(closed(loop))
    return loops


def _beside(loop: Ring) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a point just inside a loop and one just outside, at its longest edge."""
    edges = np.diff(loop, axis=0)
    longest = int((edges**2).sum(1).argmax())
    aside = np.array([-edges[longest, 1], edges[longest, 0]]) * np.sign(signed_area(loop)) * _BESIDE
    middle = loop[longest] + edges[longest] / 2
    return middle + aside, middle - aside


def _winding(ring: Ring, point: NDArray[np.float64]) -> int:
    """Return how often a ring goes around a point."""
    start, end = ring[:-1] - point, ring[1:] - point
    side = _cross(start, end)
    up = (start[:, 1] <= 0) & (end[:, 1] > 0) & (side > 0)
    down = (start[:, 1] > 0) & (end[:, 1] <= 0) & (side < 0)
    return int(up.sum()) - int(down.sum())


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
