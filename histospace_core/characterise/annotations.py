"""Regions drawn in QuPath or another program, read from GeoJSON.

Coordinates are level-0 px, origin top left, x right and y down, as QuPath writes them.
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skimage.measure import points_in_poly

from histospace_core.characterise.polygons import Polygon, closed, crossings, mended, signed_area
from histospace_core.characterise.region import Region
from histospace_core.errors import RegionError

LARGEST_FILE = 64 * 2**20
LONGEST_NAME = 80
_MOST_POINTS = 1_000_000
_BEYOND = 0.02
"""Drawn by hand, a region may reach this share of the slide's longer side beyond its edge."""
_NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")


@dataclass(frozen=True)
class Annotations:
    """What a file of annotations holds.

    Attributes
    ----------
    regions : tuple of Region
        Polygons of one class are one region.
    notes : tuple of str
        A sentence on each thing that was left out or mended.
    """

    regions: tuple[Region, ...]
    notes: tuple[str, ...]


def read_regions(path: Path) -> list[Region]:
    """Read the regions of a GeoJSON file, as `read_annotations` does.

    Raises
    ------
    RegionError
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RegionError(f"{path.name}: larger than 64 MB; export only the annotations.")
        return list(read_annotations(path.read_bytes(), path.name).regions)
    except OSError as error:
        raise RegionError(f"{path.name}: cannot be read ({error.strerror}).") from error


def read_annotations(
    data: bytes, file: str, size: tuple[float, float] | None = None
) -> Annotations:
    """Read the annotations of a GeoJSON file.

    Polygons of one name become one region. The name is that of the QuPath classification, else
    ``name``, else "region". A ring that crosses itself is mended. What is no annotation (cells and
    other detections, points, lines) is left out.

    Parameters
    ----------
    data : bytes
        Content of the file.
    file : str
        Its name, for sentences.
    size : (float, float), optional
        Width and height of the slide, level-0 px: what lies outside it was drawn on another.

    Raises
    ------
    RegionError
        This is no GeoJSON, has no polygon, one that is empty or of an unknown kind, or is of
        another slide.
    """
    if not data.strip():
        raise RegionError(f"{file}: is empty; export the annotations from QuPath anew.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegionError(f"{file}: is no GeoJSON; export it from QuPath anew.") from error
    found: dict[str, list[Polygon]] = {}
    colours: dict[str, str] = {}
    seen: Counter[str] = Counter()
    try:
        for feature in _features(content):
            properties = feature.get("properties") or {}
            kind = properties.get("objectType", properties.get("object_type", "annotation"))
            geometry = feature.get("geometry") or {"type": "Point"}
            if kind != "annotation":
                seen["detections"] += 1
            elif geometry.get("type") in _NO_AREA:
                seen["points"] += 1
            else:
                name = _name(properties)
                polygons = found.setdefault(name, [])
                polygons += _polygons(geometry, f"{file}: '{name}'", seen)
                colours.setdefault(name, _colour(properties))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise RegionError(
            f"{file}: a polygon has no proper coordinates; export it from QuPath anew."
        ) from error
    regions = [Region(name, tuple(p), colours[name]) for name, p in found.items()]
    if not regions:
        detections = f" (only {seen['detections']:,} detections)" if seen["detections"] else ""
        raise RegionError(
            f"{file}: has no polygon{detections}; draw a closed annotation and export it."
        )
    if size is not None:
        for region in regions:
            _require_on_slide(region, file, size)
    return Annotations(tuple(regions), tuple(_notes(seen)))


def _features(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    if content.get("type") == "FeatureCollection":
        return content["features"]
    return [content if content.get("type") == "Feature" else {"geometry": content}]


def _name(properties: dict[str, Any]) -> str:
    classified = properties.get("classification") or {}
    of_class = classified.get("name") or ": ".join(classified.get("names") or ())
    text = " ".join(str(of_class or properties.get("name") or "region").split())
    return text[:LONGEST_NAME] or "region"


def _colour(properties: dict[str, Any]) -> str:
    """Return the colour of a class or an object; older versions pack it into one number."""
    for holder in (properties.get("classification") or {}, properties):
        colour = holder.get("color")
        if isinstance(holder.get("colorRGB"), int):
            colour = (holder["colorRGB"] & 0xFFFFFF).to_bytes(3)
        if colour is not None and len(colour) == 3:
            return "#" + bytes(colour).hex()
    return ""


def _polygons(geometry: dict[str, Any], where: str, seen: Counter[str]) -> Iterator[Polygon]:
    """Yield the polygons of a geometry, without crossings."""
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise RegionError(
            f"{where} is of the unknown kind '{str(geometry['type'])[:40]}'; "
            "draw it as a polygon and export it anew."
        )
    coordinates = geometry["coordinates"]
    polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
    if not polygons or not all(polygon and all(polygon) for polygon in polygons):
        raise RegionError(f"{where} has an empty polygon; delete it or draw it anew.")
    for polygon in polygons:
        rings = [closed(ring) for ring in polygon]
        seen["coordinates"] += sum(map(len, rings))
        if seen["coordinates"] > _MOST_POINTS:
            raise RegionError(
                f"{where.partition(':')[0]}: has more than a million points; "
                "simplify the shapes in QuPath and export them anew."
            )
        crossed = any(crossings(ring) for ring in rings)
        if not crossed and any(len(ring) < 4 or not signed_area(ring) for ring in rings):
            raise RegionError(f"{where} has an empty polygon; delete it or draw it anew.")
        if not crossed:
            yield tuple(rings)
            continue
        seen["mended"] += 1
        holes = [hole for ring in rings[1:] for hole, *_ in mended(ring)]
        for outer, *inner in mended(rings[0]):
            yield (outer, *inner, *(h for h in holes if points_in_poly(h[:1], outer)[0]))


def _require_on_slide(region: Region, file: str, size: tuple[float, float]) -> None:
    x0, y0, x1, y1 = region.bounds
    reach = _BEYOND * max(size)
    if min(x0, y0) < -reach or x1 > size[0] + reach or y1 > size[1] + reach:
        raise RegionError(
            f"{file}: '{region.name}' reaches to x {x1:,.0f}, y {y1:,.0f} px, but this slide is "
            f"{size[0]:,.0f} × {size[1]:,.0f} px: it was drawn on another slide, or exported at "
            "another resolution."
        )


def _notes(seen: Counter[str]) -> Iterator[str]:
    if seen["mended"]:
        yield f"Polygons mended, because they crossed themselves: {seen['mended']:,}."
    if seen["detections"]:
        yield f"Detections left out, since only annotations become regions: {seen['detections']:,}."
    if seen["points"]:
        yield f"Points and lines left out, since they enclose nothing: {seen['points']:,}."
