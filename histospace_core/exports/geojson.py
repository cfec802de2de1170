"""Predictions, regions and domains as GeoJSON for QuPath."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from histospace_core.characterise import Region
from histospace_core.characterise.geojson import classified, feature, feature_collection, squares
from histospace_core.characterise.run import Characterisation
from histospace_core.figures.characterisation import domain_colour
from histospace_core.files import create
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, Prediction

OUT_OF_DOMAIN: Final = classified("Unlike the training tissue", "#9a97a0")
"""QuPath class of the tiles that lie outside the model's domain."""
DOMAIN_SCORE: Final = "HistoSPACE domain score"


def write_geojson(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write one square per tile, at its true size, with the value of each gene.

    Tiles are detections, because QuPath's measurement maps colour only detections.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        Measurements of each tile, named after the genes.
    out : pathlib.Path
        A new file.

    Raises
    ------
    StoreError
        The file exists or cannot be written, or the model does not predict a gene.
    """
    with create(out) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(feature_collection(_tiles(prediction, genes)))


def _tiles(prediction: Prediction, genes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield one feature per tile; missing values are left out, because JSON has no NaN."""
    values = {gene: prediction.gene(gene) for gene in genes}
    values[DOMAIN_SCORE] = prediction.obs["domain_score"].to_numpy()
    out_of_domain = values[DOMAIN_SCORE] > OUT_OF_DOMAIN_SCORE
    slide = prediction.record.slide.sha256
    rings = squares(prediction.centres, prediction.tile_level0)
    for row, (name, ring) in enumerate(zip(prediction.obs.index, rings, strict=True)):
        yield feature(
            {"type": "Polygon", "coordinates": [ring]},
            "detection",
            str(name),
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{slide} {name}")),  # a tile keeps its id
            measurements={
                what: float(column[row])
                for what, column in values.items()
                if np.isfinite(column[row])
            },
            classification=OUT_OF_DOMAIN if out_of_domain[row] else None,
        )


def regions_geojson(regions: Mapping[str, Region]) -> bytes:
    """Return regions as annotations, classified by name; `read_annotations` reads them back.

    Parameters
    ----------
    regions : mapping of str to Region
        By id: 32 hex characters.
    """
    features = (
        feature(
            region.geometry,
            "annotation",
            region.name,
            id=str(uuid.UUID(hex=key)),
            classification=classified(region.name, region.colour),
        )
        for key, region in regions.items()
    )
    return "".join(feature_collection(features)).encode()


def domains_geojson(found: Characterisation) -> str:
    """Return domains as annotations: one per domain, its tiles as squares."""
    tiles = found.prediction.record.tiles
    # squares wider than the stride would overlap
    side = min(tiles.side_level0_px, tiles.stride_level0_px)
    features = []
    for number, (name, facts) in enumerate(zip(found.names, found.summary["domains"], strict=True)):
        rings = squares(found.prediction.centres[found.domains.best == number], side)
        measurements = {
            "tiles": facts["n_tiles"],
            "confidence": round(facts["confidence"], 3),
            "share outside training tissue": round(facts["share_outside_training_tissue"], 3),
        }
        features.append(
            feature(
                {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]},
                "annotation",
                f"{name} (low trust)" if facts["trust"] else name,
                classification=classified(name, domain_colour(number)),
                measurements=measurements,
            )
        )
    return "".join(feature_collection(features))
