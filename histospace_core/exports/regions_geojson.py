"""Drawn regions as annotations for QuPath."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from histospace_core.characterise import Region
from histospace_core.inference import RESEARCH_USE


def regions_geojson(regions: Mapping[str, Region]) -> bytes:
    """Write regions as annotations, classified by their names; `read_annotations` gives them back.

    Coordinates are level-0 px, origin top left, to the last digit.

    Parameters
    ----------
    regions : mapping of str to Region
        By id: 32 hex characters, which QuPath keeps.
    """
    features = [_feature(key, region) for key, region in regions.items()]
    content = {"type": "FeatureCollection", "use": RESEARCH_USE, "features": features}
    return json.dumps(content).encode()


def _feature(key: str, region: Region) -> dict[str, Any]:
    classification: dict[str, Any] = {"name": region.name}
    if region.colour:
        classification["color"] = list(bytes.fromhex(region.colour[1:]))
    return {
        "type": "Feature",
        "id": str(uuid.UUID(hex=key)),
        "geometry": region.geometry,
        "properties": {
            "objectType": "annotation",
            "name": region.name,
            "classification": classification,
            "isLocked": False,
        },
    }
