"""A characterised run as files: tables, GeoJSON for QuPath, figures, summary."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histospace_core.characterise.run import Characterisation
from histospace_core.errors import StoreError
from histospace_core.exports.csv import to_csv
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.characterisation import (
    domain_colour,
    domain_map,
    marker_figure,
    signature_figure,
)
from histospace_core.figures.colours import unit_label
from histospace_core.inference import RESEARCH_USE


def write_characterisation(found: Characterisation, out: Path) -> None:
    """Write the domains, markers, signatures, summary, GeoJSON and figures into a new folder.

    Raises
    ------
    StoreError
        The folder exists already or cannot be written; then nothing is left behind.
    """
    require_new(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise StoreError(f"'{out.name}' cannot be written ({error.strerror}).") from error
    try:
        _write(found, part)
        part.chmod(0o755)
        part.rename(out)
    except OSError as error:
        raise StoreError(
            f"'{out.name}' cannot be written ({error.strerror}); make room on the disk or choose "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def require_new(out: Path) -> None:
    """Refuse a folder that exists.

    Raises
    ------
    StoreError
    """
    if out.exists():
        raise StoreError(f"'{out.name}' exists already; choose another name or delete it.")


def _write(found: Characterisation, folder: Path) -> None:
    prediction, chosen = found.prediction, found.domains.chosen
    tiles = prediction.obs.index.to_numpy(dtype=str)
    place = {"tile": tiles, "x_px": prediction.centres[:, 0], "y_px": prediction.centres[:, 1]}
    named = np.array([*found.names, ""])[found.domains.best]
    domains = pd.DataFrame(
        {
            **place,
            "domain": named,
            "confidence": np.round(found.domains.confidence[:, chosen], 3),
            "unlike_training_tissue": found.foreign,
        }
    )
    for column, resolution in enumerate(found.domains.resolutions):
        domains[f"level_{resolution:g}"] = found.domains.labels[:, column]
    scores = pd.DataFrame({**place, "unlike_training_tissue": found.foreign})
    for column, name in enumerate(found.signatures.table["signature"]):
        half = 1.96 * found.signatures.error[:, column]
        mean = found.signatures.scores[:, column]
        scores[name] = mean
        scores[f"{name} ci_low"], scores[f"{name} ci_high"] = mean - half, mean + half
    unit = prediction.provenance["model"]["expression_unit"]
    markers = found.markers.table if found.markers else pd.DataFrame({"region": [], "gene": []})
    readable = markers.assign(
        region=[found.names[int(r)] for r in markers["region"]], unit=unit, use=RESEARCH_USE
    )
    (folder / "domains.csv").write_bytes(to_csv(domains.assign(use=RESEARCH_USE)))
    (folder / "signatures.csv").write_bytes(to_csv(scores.assign(use=RESEARCH_USE)))
    (folder / "markers.csv").write_bytes(to_csv(readable))
    (folder / "summary.json").write_text(json.dumps(plain(found.summary), indent=2), "utf-8")
    (folder / "domains.geojson").write_text(json.dumps(domains_geojson(found)), "utf-8")
    _draw(found, markers, folder, unit)


def _draw(found: Characterisation, markers: pd.DataFrame, folder: Path, unit: str) -> None:
    facts = found.prediction.provenance
    slide, tiles = facts["slide"], facts["tiles"]
    figures = {
        "domains": domain_map(
            Canvas(slide["width"], slide["height"], slide["mpp"]),
            found.prediction.centres,
            found.domains.best,
            found.names,
            tile=tiles["side_level0_px"],
            stride=tiles["stride_level0_px"],
            foreign=found.foreign,
        ),
        "markers": marker_figure(markers, found.names, unit=unit_label(unit)),
        "signatures": signature_figure(
            found.signatures.scores,
            found.domains.best,
            list(found.signatures.table["signature"]),
            found.names,
        ),
    }
    for name, figure in figures.items():
        figure.add_annotation(
            text=RESEARCH_USE, showarrow=False, xref="paper", yref="paper", x=0, y=1.0,
            xanchor="left", yanchor="bottom",
        )  # fmt: skip
        figure.update_layout(margin_t=28)
        figure.write_html(folder / f"{name}.html", include_plotlyjs=True, full_html=True)


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
                "name": name,
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


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: NaN becomes null, NumPy numbers become Python's."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
