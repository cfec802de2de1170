"""A prediction as GeoJSON for QuPath: tiles as detections with measurements.

QuPath colours only detections by a measurement map, so each tile is a detection. Positions are
level-0 px, origin top left, as QuPath wants them.
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from histospace_core.exports.part import whole
from histospace_core.inference import OUTSIDE_DOMAIN, RESEARCH_USE, Prediction

OUT_OF_DOMAIN: Final = {"name": "Unlike the training tissue", "color": [154, 151, 160]}
"""QuPath's class of the tiles that the model has no business predicting."""
DOMAIN_SCORE: Final = "HistoSPACE domain score"


def write_geojson(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write one square per tile, at its true size, with the value of each gene.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        Become measurements of their names.
    out : pathlib.Path
        A new file.

    Raises
    ------
    StoreError
        When the file exists or cannot be written, or the model does not predict a gene.
    """
    with whole(out) as part, part.open("w", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "use": {json.dumps(RESEARCH_USE)}, ')
        file.write('"features": [')
        for number, feature in enumerate(_features(prediction, genes)):
            file.write(("\n" if number == 0 else ",\n") + json.dumps(feature))
        file.write("\n]}\n")


def _features(prediction: Prediction, genes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield one GeoJSON feature per tile; a value that is missing is left out."""
    values = {gene: prediction.gene(gene) for gene in genes}
    values[DOMAIN_SCORE] = prediction.obs["domain_score"].to_numpy()
    out_of_domain = values[DOMAIN_SCORE] > OUTSIDE_DOMAIN
    half = prediction.tile_level0 / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half
    slide = prediction.provenance["slide"]["sha256"]
    tiles = zip(prediction.obs.index, prediction.centres, strict=True)
    for row, (name, centre) in enumerate(tiles):
        properties: dict[str, Any] = {
            "objectType": "detection",
            "name": str(name),
            "measurements": {
                what: float(column[row])
                for what, column in values.items()
                if np.isfinite(column[row])
            },
        }
        if out_of_domain[row]:
            properties["classification"] = OUT_OF_DOMAIN
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{slide} {name}")),
            "geometry": {
                "type": "Polygon",
                "coordinates": [np.round(centre + corners, 2).tolist()],
            },
            "properties": properties,
        }
