"""Compare a stored prediction with measured expression of the same section."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.comparison.at_spots import LAYER, predict_at_run_spots
from histospace_core.comparison.gene_table import gene_table
from histospace_core.comparison.given_depth import add_given_depth, given_depth
from histospace_core.comparison.interval import LAYERS, spot_intervals
from histospace_core.comparison.matching import map_at, tile_mask
from histospace_core.errors import MeasurementError, StoreError
from histospace_core.evaluation.array_scores import ArrayScores, score_arrays
from histospace_core.expression import map_to_panel, normalise
from histospace_core.expression.align import Alignment, check_alignment, on_mask
from histospace_core.expression.placement import Placement, apply_affine
from histospace_core.files import atomic_write, disk_errors, write_json
from histospace_core.inference.prediction import Prediction, open_prediction
from histospace_core.inference.record import RESEARCH_USE
from histospace_core.out_lock import alone_in, lock_file
from histospace_core.progress import OnProgress, no_progress

if TYPE_CHECKING:  # they load torch, which only a prediction at the spots needs
    from histospace_core.networks import ModelPackage
    from histospace_core.slides.open import Slide

MAP_LABEL = "the average of the map's tiles around the spot"
AT_SPOTS_LABEL = "a tile centred on the spot"
MIN_SPOTS = 10
"""Fewer matched spots than this cannot be scored."""


@dataclass(frozen=True)
class Comparison:
    """A comparison on disk.

    Attributes
    ----------
    genes : DataFrame
        One row per gene of the panel, with the columns `gene_table.COLUMNS`, and `AT_SPOTS` if the
        slide was given.
    summary : dict
        Scores of the map's value; `summary["at_spots"]` those of a tile centred on each spot, or
        None without the slide. Both are over the same spots.
    spots : AnnData
        Matched spots x common genes, layers "measured", "predicted" (the map's value) and, with the
        slide, "predicted_at_spots" in the model's unit; if the model states intervals, the ends
        "interval_low" and "interval_high" at the depth of each spot; `obsm["spatial"]` as placed;
        `given_depth.COLUMNS` in `var`.
    """

    directory: Path
    genes: pd.DataFrame
    summary: dict[str, Any]
    spots: anndata.AnnData


def registration(
    prediction: Prediction, centres: NDArray[np.float64]
) -> tuple[Alignment, NDArray[np.bool_]]:
    """Find the spots on predicted tissue, and how many would be in each of eight orientations.

    Parameters
    ----------
    centres : (n, 2)
        Spot centres, level-0 px.
    """
    record = prediction.record
    size = (record.slide.width, record.slide.height)
    stride = record.tiles.stride_level0_px
    mask = tile_mask(prediction.centres, stride, size)
    return (
        check_alignment(centres, mask, (stride, stride), size),
        on_mask(centres, mask, (stride, stride)),
    )


def placed(
    prediction: Prediction, centres: NDArray[np.float64], placement: Placement
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return spot centres (n, 2) on a run's slide after a placement, and the placement's matrix."""
    slide = prediction.record.slide
    matrix = placement.matrix(centres, (slide.width, slide.height), prediction.mpp)
    return apply_affine(centres, matrix), matrix


@alone_in("out")
def compare_run(
    run_dir: Path,
    measured: anndata.AnnData,
    out: Path,
    *,
    placement: Placement | None = None,
    slide: "Slide | None" = None,
    model: "ModelPackage | None" = None,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Comparison:
    """Score a run against measured counts and write `genes.csv`, `summary.json`, `spots.h5ad`.

    Parameters
    ----------
    measured
        Raw counts with positions, as `read_measured` returns them.
    out
        A new folder.
    placement
        How a user has moved the spots; recorded in `summary.json`. None leaves them in place.
    slide, model
        The run's slide, as `open_run_slide` opens it, and the run's model: a tile centred on each
        spot is predicted too. Without them, only the map's value is scored.
    device
        "auto", "cpu" or "cuda".

    Raises
    ------
    MeasurementError
        The measurement shares no gene with the model, or its spots do not lie on the tissue.
    StoreError
        `run_dir` holds no finished run, or `out` exists.
    """
    if out.exists() and any(file != lock_file(out) for file in out.resolve().iterdir()):
        raise StoreError(f"'{out.name}' is not empty; choose another folder for the comparison.")
    prediction = open_prediction(run_dir)
    record = prediction.record
    unit = record.model.expression_unit
    stride = record.tiles.stride_level0_px
    centres, matrix = placed(prediction, measured.obsm["spatial"], placement or Placement())
    alignment, _ = registration(prediction, centres)
    alignment.require(placed_by_hand=placement is not None)
    common, match = map_to_panel(measured, prediction.genes, prediction.var["gene_id"].tolist())
    truth = normalise(common, unit)  # by the library size over all genes, which `common` keeps
    estimate, matched = map_at(prediction, common.var_names, centres, stride)
    layers = {"measured": truth, "predicted": estimate}
    if slide is not None and model is not None:
        found = predict_at_run_spots(prediction, slide, model, centres, device, on_progress)
        layers[LAYER] = found.expression[:, prediction.var.index.get_indexer(common.var_names)]
        matched &= found.readable
    if matched.sum() < MIN_SPOTS:
        raise MeasurementError(
            f"Only {matched.sum()} measured spots lie on predicted tissue and at least {MIN_SPOTS} "
            "are needed; check that slide and measurement are of the same section."
        )
    spots = anndata.AnnData(
        obs=common.obs[["total_counts"]][matched].copy(),
        var=prediction.var.loc[common.var_names, ["gene_id", "held_out_pearson", "training_mean"]],
        obsm={"spatial": centres[matched]},
        layers={name: values[matched] for name, values in layers.items()},
    )
    add_given_depth(spots, common[matched], unit)
    scores = _scores(spots, "predicted", positions=centres[matched])
    at_spots = _scores(spots, LAYER) if LAYER in spots.layers else None
    intervals = spot_intervals(
        prediction,
        spots.var_names,
        spots.layers["predicted"],
        spots.layers["measured"],
        spots.obs["total_counts"].to_numpy(np.float64),
    )
    if intervals is not None:
        spots.layers.update(zip(LAYERS, (intervals.low, intervals.high), strict=True))
    coverage = None if intervals is None else intervals.coverage
    genes = gene_table(spots, scores, prediction.var, at_spots, coverage)
    summary = {
        "notice": RESEARCH_USE,
        "run": prediction.run_dir.name,
        "slide": record.slide.name,
        "model": record.model.name,
        "trained_on": list(record.model.training_sections),
        "training_warning": _training_warning(prediction),
        "expression_unit": unit,
        "measured_notes": list(measured.uns.get("histospace", {}).get("notes", [])),
        "n_spots_measured": measured.n_obs,
        "n_genes": spots.n_vars,
        "label": MAP_LABEL,
        **_overall(scores, spots, "predicted"),
        "at_spots": at_spots and {"label": AT_SPOTS_LABEL, **_overall(at_spots, spots, LAYER)},
        "interval": intervals and intervals.summary,
        "domain_warning": record.domain.warning,
        "alignment": alignment.to_json(),
        "placement": {
            "by_hand": placement is not None,
            **(placement or Placement()).to_json(),
            "affine_level0_px": matrix.tolist(),
        },
        "genes": match.message,
        "matching": "tiles weighted by the area they share with a tile centred on the spot",
        "p_values": "Student's t on the effective number of spots (Clifford et al. 1989)",
    }
    _write(out, genes, summary, spots)
    return Comparison(out, genes, summary, spots)


def open_comparison(directory: Path) -> Comparison:
    """Read what `compare_run` wrote."""
    try:
        return Comparison(
            directory,
            pd.read_csv(directory / "genes.csv", keep_default_na=True, dtype={"gene": str}),
            json.loads((directory / "summary.json").read_text("utf-8")),
            anndata.read_h5ad(directory / "spots.h5ad"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"The comparison '{directory.name}' is missing or damaged; compare again."
        ) from error


def _scores(
    spots: anndata.AnnData, layer: str, positions: NDArray[np.float64] | None = None
) -> ArrayScores:
    """Score one prediction of the matched spots; positions add p-values."""
    profile = spots.var["training_mean"].to_numpy(np.float32)
    measured, predicted = (np.asarray(spots.layers[name]) for name in ("measured", layer))
    return score_arrays(measured, predicted, profile, positions=positions)


def _overall(scores: ArrayScores, spots: anndata.AnnData, layer: str) -> dict[str, Any]:
    """Return the scores over all evaluable genes for `summary.json`."""
    n_scored = int(scores.evaluable.sum())
    return {
        "n_spots": spots.n_obs,
        "n_genes_scored": n_scored,
        **scores.overall,
        "mean_profile_per_gene_pearson": 0.0,  # a constant prediction has r = 0
        **given_depth(spots, layer),
        "share_of_genes_beating_mean": scores.beats_mean.sum() / n_scored if n_scored else None,
    }


def _training_warning(prediction: Prediction) -> str:
    if not prediction.record.model.slide_was_trained_on:
        return ""
    return (
        "The model was trained on this slide: these scores do not show its accuracy on a new "
        "patient; the held-out scores do."
    )


def _write(out: Path, genes: pd.DataFrame, summary: dict[str, Any], spots: anndata.AnnData) -> None:
    """Write the comparison's folder whole or not at all; `out` may exist, if it is empty."""
    with disk_errors(out), atomic_write(out) as part:
        part.mkdir()
        genes.to_csv(part / "genes.csv", index=False, float_format="%.6g")
        write_json(part / "summary.json", summary)
        spots.write_h5ad(part / "spots.h5ad", compression="gzip")
