"""GeoJSON feature collections in QuPath's form: writing and reading.

Coordinates are level-0 px from the top left corner, x to the right and y down.
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from histospace_core.characterise.qupath import (
    ANNOTATION,
    colour_of,
    kind_of,
    name_of,
)
from histospace_core.characterise.region import Region, polygon_of, valid_polygons
from histospace_core.errors import RegionError
from histospace_core.inference import RESEARCH_USE

LARGEST_FILE = 64 * 2**20
_MOST_POINTS = 1_000_000
_BEYOND = 0.02
"""A region drawn by hand may overshoot the slide's edge by this share of its longer side."""
_NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")


def feature(
    geometry: Mapping[str, Any],
    kind: str,
    name: str,
    *,
    id: str | None = None,
    classification: Mapping[str, Any] | None = None,
    measurements: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return one QuPath object as a GeoJSON feature.

    Parameters
    ----------
    geometry : mapping
        GeoJSON geometry in level-0 px.
    kind : str
        QuPath's ``objectType``: "annotation" or "detection".
    id : str, optional
        A UUID, which QuPath keeps.
    classification : mapping, optional
        Result of `classified`.
    measurements : mapping, optional
        Finite numbers by name.
    """
    properties: dict[str, Any] = {"objectType": kind, "name": name}
    if measurements is not None:
        properties["measurements"] = measurements
    if classification is not None:
        properties["classification"] = classification
    if kind == "annotation":
        properties["isLocked"] = False
    identity = {} if id is None else {"id": id}
    return {"type": "Feature", **identity, "geometry": geometry, "properties": properties}


def classified(name: str, colour: str) -> dict[str, Any]:
    """Return a QuPath class; `colour` is ``"#rrggbb"``, or "" to let QuPath choose."""
    return {"name": name} | ({"color": list(bytes.fromhex(colour[1:]))} if colour else {})


def squares(centres: NDArray[np.floating], side: float) -> list[list[list[float]]]:
    """Return closed square rings (n, 5, 2) around `centres` (n, 2), in level-0 px."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * side / 2
    return np.round(centres[:, None] + corners, 2).tolist()  # more digits only make the file longer


def feature_collection(features: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the text of a feature collection line by line, so that memory does not grow."""
    yield f'{{"type": "FeatureCollection", "use": {json.dumps(RESEARCH_USE)}, "features": ['
    for number, written in enumerate(features):
        yield ("\n" if number == 0 else ",\n") + json.dumps(written)
    yield "\n]}\n"


@dataclass(frozen=True)
class Annotations:
    """The annotations of a file.

    Attributes
    ----------
    regions : tuple of Region
        Polygons of one class are one region.
    notes : tuple of str
        One sentence for each kind of object that was left out or repaired.
    """

    regions: tuple[Region, ...]
    notes: tuple[str, ...]


def read_regions(path: Path) -> list[Region]:
    """Read the regions of a GeoJSON file, as `read_annotations` does.

    Raises
    ------
    RegionError
        The file is too large, cannot be read, or `read_annotations` refuses it.
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

    Polygons with the same name become one region. The name is that of the QuPath class, otherwise
    ``name``, otherwise "region". A polygon that crosses itself is repaired (`valid_polygons`).
    Other kinds of object, points and lines are left out, and counted in the notes.

    Parameters
    ----------
    data : bytes
        Content of the file.
    file : str
        Its name, for messages.
    size : (float, float), optional
        Width and height of the slide, level-0 px. A region that extends beyond them was drawn on
        another slide and is refused.

    Raises
    ------
    RegionError
        The file is not GeoJSON, has no polygon, has an empty polygon or an unknown geometry, or
        belongs to another slide.
    """
    if not data.strip():
        raise RegionError(f"{file}: is empty; export the annotations from QuPath again.")
    try:
        content = json.loads(_unpacked(data, file))
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise RegionError(f"{file}: is not GeoJSON; export it from QuPath again.") from error
    if not isinstance(content, list) and "type" not in (
        content if isinstance(content, dict) else ()
    ):
        raise RegionError(f"{file}: is JSON, but not GeoJSON; export it from QuPath again.")
    found: dict[str, list[shapely.Polygon]] = {}
    colours: dict[str, str] = {}
    seen: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    try:
        for feature in _features(content):
            properties = feature.get("properties") or {}
            kind = kind_of(feature)
            geometry = feature.get("geometry") or {"type": "Point"}  # GeoJSON allows null
            if kind != ANNOTATION:
                left_out[kind] += 1
            elif geometry.get("type") in _NO_AREA:
                seen["points"] += 1
            else:
                name = name_of(properties)
                polygons = found.setdefault(name, [])
                polygons += _polygons(geometry, f"{file}: '{name}'", seen)
                colours.setdefault(name, colour_of(properties))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise RegionError(
            f"{file}: a polygon has invalid coordinates; export it from QuPath again."
        ) from error
    regions = [Region(name, tuple(p), colours[name]) for name, p in found.items()]
    if not regions:
        only = f" (only {_counted(left_out)})" if left_out else ""
        raise RegionError(
            f"{file}: contains no polygon{only}; draw a closed annotation and export it."
        )
    if size is not None:
        for region in regions:
            _require_on_slide(region, file, size)
    return Annotations(tuple(regions), tuple(_notes(seen, left_out)))


def _unpacked(data: bytes, file: str) -> bytes:
    """Return the content of a file that QuPath may have packed with gzip."""
    if data.startswith(b"PK"):
        raise RegionError(f"{file}: is a zip; unpack it and give the GeoJSON file.")
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            content = packed.read(LARGEST_FILE + 1)  # a bomb unpacks to far more
    except (OSError, EOFError, zlib.error) as error:
        raise RegionError(f"{file}: is damaged; export it from QuPath again.") from error
    if len(content) > LARGEST_FILE:
        raise RegionError(f"{file}: larger than 64 MB; export only the annotations.")
    return content


def _features(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    if content.get("type") == "FeatureCollection":
        return content["features"]
    return [content if content.get("type") == "Feature" else {"geometry": content}]


def _polygons(
    geometry: dict[str, Any], where: str, seen: Counter[str]
) -> Iterator[shapely.Polygon]:
    """Yield the polygons of a geometry, repaired where they are invalid."""
    if geometry["type"] == "GeometryCollection":
        for inner in geometry["geometries"]:
            if inner["type"] in _NO_AREA:
                seen["points"] += 1
            else:
                yield from _polygons(inner, where, seen)
        return
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise RegionError(
            f"{where} has the unknown geometry '{str(geometry['type'])[:40]}'; "
            "draw it as a polygon and export it again."
        )
    coordinates = geometry["coordinates"]
    polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
    if not polygons or not all(polygon and all(polygon) for polygon in polygons):
        raise RegionError(f"{where} has an empty polygon; delete it or draw it again.")
    for rings in polygons:
        seen["coordinates"] += sum(map(len, rings))
        if seen["coordinates"] > _MOST_POINTS:
            raise RegionError(
                f"{where.partition(':')[0]}: has more than a million points; "
                "simplify the shapes in QuPath and export them again."
            )
        polygon = polygon_of(rings)
        parts = valid_polygons(polygon)
        if not parts:
            raise RegionError(f"{where} has an empty polygon; delete it or draw it again.")
        seen["repaired"] += not polygon.is_valid
        yield from parts


def _require_on_slide(region: Region, file: str, size: tuple[float, float]) -> None:
    x0, y0, x1, y1 = region.bounds
    reach = _BEYOND * max(size)
    if min(x0, y0) < -reach or x1 > size[0] + reach or y1 > size[1] + reach:
        raise RegionError(
            f"{file}: '{region.name}' extends to x {x1:,.0f}, y {y1:,.0f} px, but this slide is "
            f"{size[0]:,.0f} × {size[1]:,.0f} px: it was drawn on another slide, or exported at "
            "another resolution."
        )


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in kinds.items())


def _notes(seen: Counter[str], left_out: Counter[str]) -> Iterator[str]:
    if seen["repaired"]:
        yield f"Polygons repaired because they crossed themselves: {seen['repaired']:,}."
    if left_out:
        yield f"Left out, because only annotations become regions: {_counted(left_out)}."
    if seen["points"]:
        yield f"Points and lines left out, because they have no area: {seen['points']:,}."
