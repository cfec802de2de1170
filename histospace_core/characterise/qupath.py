"""What a GeoJSON feature is in QuPath: its kind, class and colour, in the forms of every version.

QuPath has written the kind as ``id`` (0.2, and programs that copy it), as ``object_type`` (0.3) and
as ``objectType`` (since 0.4); see PathObjectTypeAdapters in its source.
"""

from collections.abc import Mapping
from typing import Any

ANNOTATION = "annotation"
LONGEST_NAME = 80
_KINDS = {
    "annotation": "annotation",
    "pathannotation": "annotation",
    "detection": "detection",
    "pathdetection": "detection",
    "cell": "cell",
    "pathcell": "cell",
    "tile": "tile",
    "pathtile": "tile",
    "tmacore": "TMA core",
    "pathtmacore": "TMA core",
    "root": "root",
    "pathroot": "root",
}
_PLACES = ("objectType", "object_type", "object type")


def kind_of(feature: Mapping[str, Any]) -> str:
    """Return the kind of a feature: "annotation", "cell", "TMA core", ..., or the name it states.

    Examples
    --------
    >>> kind_of({"id": "PathCellObject"})
    'cell'
    >>> kind_of({"properties": {"objectType": "tma_core"}})
    'TMA core'
    >>> kind_of({"id": "0b1d", "properties": {}})
    'annotation'
    """
    properties = feature.get("properties") or {}
    stated = [properties.get(place) for place in _PLACES]
    for name in stated:
        if name is not None:
            return _KINDS.get(_plain(name), str(name)[:LONGEST_NAME])
    name = feature.get("id")
    # Other programs use "type" for what they please, so there only a known kind counts.
    for plain in map(_plain, (properties.get("type"), name)):
        if plain in _KINDS:
            return _KINDS[plain]
    # An id of another form, such as a UUID or a number, says nothing about the kind.
    return str(name)[:LONGEST_NAME] if str(name).endswith("Object") else ANNOTATION


def name_of(properties: Mapping[str, Any]) -> str:
    """Return the name of the class, otherwise of the object, otherwise "region"."""
    of_class = _class(properties)
    name = of_class.get("name") or ": ".join(map(str, of_class.get("names") or ()))
    text = " ".join(str(name or properties.get("name") or "region").split())
    return text[:LONGEST_NAME] or "region"


def colour_of(properties: Mapping[str, Any]) -> str:
    """Return the colour of the class, otherwise of the object, as "#rrggbb"; "" without one."""
    for holder in (_class(properties), properties):
        for key in ("colorRGB", "color"):
            colour = holder.get(key)
            if isinstance(colour, int):  # signed ARGB in one number; its alpha is dropped
                return "#" + (colour & 0xFFFFFF).to_bytes(3).hex()
            if isinstance(colour, str):
                digits = colour.removeprefix("#")
                if len(digits) == 6 and set(digits.lower()) <= set("0123456789abcdef"):
                    return "#" + digits.lower()
            elif isinstance(colour, list) and len(colour) in (3, 4) and all(map(_is_byte, colour)):
                return "#" + bytes(int(part) for part in colour[:3]).hex()
    return ""


def _plain(name: object) -> str:
    """Return a kind as every version would spell it: lower case, without signs and "object"."""
    return "".join(c for c in str(name).lower() if c.isalnum()).removesuffix("object")


def _class(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    found = properties.get("classification") or {}
    if isinstance(found, list):
        return {"names": found}
    return found if isinstance(found, Mapping) else {"name": str(found)}


def _is_byte(part: object) -> bool:
    return isinstance(part, int | float) and 0 <= part <= 255
