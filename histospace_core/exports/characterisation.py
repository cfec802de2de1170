"""A characterisation as files: tables, GeoJSON for QuPath, figures and a summary."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from histospace_core.characterise.levels import CLEAR_EFFECT
from histospace_core.characterise.run import Characterisation, characterise_run
from histospace_core.errors import StoreError
from histospace_core.exports.csv import to_csv
from histospace_core.exports.geojson import domains_geojson
from histospace_core.figures.canvas import Canvas
from histospace_core.figures.characterisation import domain_map, signature_figure
from histospace_core.figures.colours import unit_label
from histospace_core.figures.markers import UNRELIABLE, marker_figure
from histospace_core.files import create, require_new
from histospace_core.inference import RESEARCH_USE
from histospace_core.out_lock import alone_in


@alone_in("out")
def characterise_to(run_dir: Path, out: Path, **options: Any) -> Characterisation:
    """Characterise a run into a new folder.

    Parameters
    ----------
    **options
        Passed to `characterise_run`.

    Raises
    ------
    StoreError
        `out` exists, another process writes it, or the run is not finished.
    MeasurementError
        As `characterise_run` raises it.
    """
    require_new(out)  # before minutes of work
    found = characterise_run(run_dir, **options)
    write_characterisation(found, out)
    return found


def write_characterisation(found: Characterisation, out: Path) -> None:
    """Write the domains, markers, signatures, summary, GeoJSON and figures into a new folder.

    Raises
    ------
    StoreError
        The folder already exists or cannot be written; nothing is left behind.
    """
    with create(out) as part:
        part.mkdir()
        _write(found, part)


def _write(found: Characterisation, folder: Path) -> None:
    prediction, chosen = found.prediction, found.domains.chosen
    tiles = prediction.obs.index.to_numpy(dtype=str)
    place = {"tile": tiles, "x_px": prediction.centres[:, 0], "y_px": prediction.centres[:, 1]}
    trust = [facts["trust"] for facts in found.summary["domains"]]
    domains = pd.DataFrame(
        {
            **place,
            "domain": np.array([*found.names, ""])[found.domains.best],  # -1, no domain, selects ""
            "confidence": np.round(found.domains.confidence[:, chosen], 3),
            "trust": np.array([*trust, ""])[found.domains.best],
            "unlike_training_tissue": found.out_of_domain,
        }
    )
    for column, resolution in enumerate(found.domains.resolutions):
        domains[f"level_{resolution:g}"] = found.domains.labels[:, column]
    scores = pd.DataFrame({**place, "unlike_training_tissue": found.out_of_domain})
    for column, name in enumerate(found.signatures.table["signature"]):
        half = found.signatures.half_width[:, column]
        mean = found.signatures.scores[:, column]
        scores[name] = mean
        scores[f"{name} ci_low"], scores[f"{name} ci_high"] = mean - half, mean + half
    (folder / "domains.csv").write_bytes(to_csv(domains.assign(use=RESEARCH_USE)))
    (folder / "signatures.csv").write_bytes(to_csv(scores.assign(use=RESEARCH_USE)))
    (folder / "levels").mkdir()
    unit = prediction.record.model.expression_unit
    for i, level in enumerate(found.levels):
        described = found.summary["levels"][i]["domains"]
        data = to_csv(_readable(level.table, described, unit))
        (folder / "levels" / f"markers_{found.domains.resolutions[i]:g}.csv").write_bytes(data)
        if i == chosen:
            (folder / "markers.csv").write_bytes(data)
    if found.region_markers is not None:
        markers = found.region_markers.assign(unit=unit, use=RESEARCH_USE)
        (folder / "regions.csv").write_bytes(to_csv(markers))
    (folder / "summary.json").write_text(json.dumps(json_ready(found.summary), indent=2), "utf-8")
    (folder / "domains.geojson").write_text(domains_geojson(found), "utf-8")
    _draw(found, folder, unit)


def _readable(markers: pd.DataFrame, described: list[dict[str, Any]], unit: str) -> pd.DataFrame:
    """Return markers with the name and the trust of each domain."""
    number = markers["region"].astype(int)
    return markers.assign(
        region=[described[i]["domain"] for i in number],
        trust=[described[i]["trust"] for i in number],
        unit=unit,
        use=RESEARCH_USE,
    )


def _draw(found: Characterisation, folder: Path, unit: str) -> None:
    slide, tiles = found.prediction.record.slide, found.prediction.record.tiles
    names = [with_trust_mark(f["domain"], f["trust"]) for f in found.summary["domains"]]
    table = found.level.table
    figures = {
        "domains": domain_map(
            Canvas(slide.width, slide.height, slide.mpp),
            found.prediction.centres,
            found.domains.best,
            names,
            tile=tiles.side_level0_px,
            stride=tiles.stride_level0_px,
            out_of_domain=found.out_of_domain,
        ),
        "markers": marker_figure(table, names, unit=unit_label(unit), clear=CLEAR_EFFECT),
        "signatures": signature_figure(
            found.signatures.scores,
            found.domains.best,
            [signature_label(row) for _, row in found.signatures.table.iterrows()],
            names,
        ),
    }
    notes = [RESEARCH_USE, *found.summary["warnings"]]
    if "reliable" in table and not table["reliable"].all():
        notes.append(f"{UNRELIABLE} not reliable")
    for name, figure in figures.items():
        figure.add_annotation(
            text="<br>".join(notes), showarrow=False, xref="paper", yref="paper", x=0, y=1.0,
            xanchor="left", yanchor="bottom", align="left",
        )  # fmt: skip
        figure.update_layout(margin_t=12 + 16 * len(notes))
        # with plotly.js inside, because the figure must open without a network
        figure.write_html(folder / f"{name}.html", include_plotlyjs=True, full_html=True)


def with_trust_mark(name: str, trust: str) -> str:
    """Return a domain's name, with a warning sign if the domain has low trust."""
    return f"{name} ⚠" if trust else name


def signature_label(row: "pd.Series[Any]") -> str:
    """Return a signature's name, the number of its genes that were used, and its held-out r."""
    held = row.get("held_out_pearson")
    skill = "" if held is None or pd.isna(held) else f", held-out r {held:.2f}"
    return f"{row['signature']} ({row['n_used']} of {row['n_genes']} genes{skill})"


@dataclass(frozen=True)
class StoredCharacterisation:
    """A characterisation on disk; its tables are read on first use.

    Attributes
    ----------
    folder : pathlib.Path
    summary : dict
        Content of ``summary.json``.
    """

    folder: Path
    summary: dict[str, Any]

    @cached_property
    def domains(self) -> pd.DataFrame:
        """``domains.csv``: one row per tile."""
        # a domain called "NA" is text; only an empty cell is missing
        return pd.read_csv(self.folder / "domains.csv", keep_default_na=False, na_values=[""])

    @cached_property
    def signatures(self) -> pd.DataFrame:
        """``signatures.csv``: one row per tile."""
        return pd.read_csv(self.folder / "signatures.csv")

    def labels(self, level: int) -> npt.NDArray[np.intp]:
        """Return the domain (n,) of each tile at a level; -1 for none."""
        resolution = self.summary["levels"][level]["resolution"]
        return self.domains[f"level_{resolution:g}"].to_numpy(np.intp)

    def markers(self, level: int) -> pd.DataFrame:
        """Return the markers of a level; the column `region` has the domain's number as text."""
        facts = self.summary["levels"][level]
        file = self.folder / "levels" / f"markers_{facts['resolution']:g}.csv"
        # a gene called "NA" is text; only an empty cell is missing
        table = pd.read_csv(file, dtype={"region": str, "gene": str}, keep_default_na=False,
                            na_values=[""])  # fmt: skip
        number = {f["domain"]: str(i) for i, f in enumerate(facts["domains"])}
        return table.assign(region=table["region"].map(number))


def open_characterisation(folder: Path) -> StoredCharacterisation:
    """Open a folder that `write_characterisation` wrote.

    Raises
    ------
    StoreError
        The characterisation is missing or damaged.
    """
    try:
        return StoredCharacterisation(
            folder, json.loads((folder / "summary.json").read_text("utf-8"))
        )
    except (OSError, ValueError) as error:
        raise StoreError(
            f"The characterisation '{folder.name}' is missing or damaged; characterise the run "
            "again."
        ) from error


def json_ready(value: Any) -> Any:
    """Return `value` for JSON: NaN becomes null, and NumPy numbers become Python numbers."""
    if isinstance(value, dict):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
