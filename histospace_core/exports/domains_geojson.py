"""Domains as annotations for QuPath."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from histospace_core.characterise.run import Characterisation
from histospace_core.figures.characterisation import domain_colour
from histospace_core.inference import RESEARCH_USE


def domains_geojson(found: Characterisation) -> dict[str, Any]:
    """One annotation a domain, its tiles as squares, in level-0 px, classified as QuPath does."""
    return {
        "type": "FeatureCollection",
        "use": RESEARCH_USE,
        "features": list(_features(found)),
    }


def _features(found: Characterisation) -> Iterator[dict[str, Any]]:
    tiles = found.prediction.provenance["tiles"]
    half = min(tiles["side_level0_px"], tiles["stride_level0_px"]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half
    for number, (name, facts) in enumerate(zip(found.names, found.summary["domains"], strict=True)):
        squares = found.prediction.centres[found.domains.best == number][:, None] + corners
        colour = domain_colour(number)
        yield {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[square.tolist()] for square in np.round(squares, 2)],
            },
            "properties": {
                "objectType": "annotation",
                "name": f"{name} (low trust)" if facts["trust"] else name,
                "classification": {
                    "name": name,
                    "color": [int(colour[i : i + 2], 16) for i in (1, 3, 5)],
                },
                "isLocked": False,
                "measurements": {
                    "tiles": facts["n_tiles"],
                    "confidence": round(facts["confidence"], 3),
                    "share outside training tissue": round(
                        facts["share_outside_training_tissue"], 3
                    ),
                },
            },
        }
