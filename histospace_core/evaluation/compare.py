"""Compare a stored prediction with measured expression of the same section."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from histospace_core.errors import MeasurementError, StoreError
from histospace_core.evaluation.matching import MIN_COVER, tile_mask, tile_weights
from histospace_core.evaluation.metrics import (
    mse_ratio_per_gene,
    mse_ratio_to_mean,
    per_gene_pearson,
    per_spot_pearson,
)
from histospace_core.evaluation.significance import q_values, spatial_p_values
from histospace_core.expression import check_alignment, map_to_panel, normalise
from histospace_core.inference.prediction import Prediction, open_prediction
from histospace_core.inference.provenance import RESEARCH_USE
from histospace_core.inference.store import disk_errors, write_json

COLUMNS = (
    "gene",
    "n_spots",
    "pearson",
    "spearman",
    "rmse",
    "mse_ratio_to_mean",
    "p_value",
    "q_value",
    "held_out_pearson",
    "note",
)
MIN_SPOTS = 10
"""Fewer matched spots than this cannot be scored."""


@dataclass(frozen=True)
class Comparison:
    """A comparison on disk.

    Attributes
    ----------
    genes : DataFrame
        One row a gene of the panel, columns `COLUMNS`.
    spots : AnnData
        Matched spots x common genes, layers "measured" and "predicted" in the model's unit.
    """

    directory: Path
    genes: pd.DataFrame
    summary: dict[str, Any]
    spots: anndata.AnnData


def compare_run(run_dir: Path, measured: anndata.AnnData, out: Path) -> Comparison:
    """Score a run against measured counts and write `genes.csv`, `summary.json`, `spots.h5ad`.

    Parameters
    ----------
    measured
        Raw counts with positions, as `read_measured` returns them.
    out
        A new folder.

    Raises
    ------
    MeasurementError
        The measurement shares no gene with the model, or its spots do not lie on the tissue.
    StoreError
        `run_dir` holds no finished run, or `out` exists.
    """
    if out.exists() and any(out.iterdir()):
        raise StoreError(f"'{out.name}' is not empty; choose another folder for the comparison.")
    prediction = open_prediction(run_dir)
    unit = prediction.provenance["model"]["expression_unit"]
    size = (prediction.provenance["slide"]["width"], prediction.provenance["slide"]["height"])
    stride = float(prediction.provenance["tiles"]["stride_level0_px"])
    alignment = check_alignment(
        measured.obsm["spatial"],
        tile_mask(prediction.centres, stride, size),
        (stride, stride),
        size,
    )
    alignment.require()
    common, match = map_to_panel(measured, prediction.genes, prediction.var["gene_id"].tolist())
    truth = normalise(common, unit)
    estimate, matched = _at_spots(prediction, common, stride)
    if matched.sum() < MIN_SPOTS:
        raise MeasurementError(
            f"Only {matched.sum()} measured spots lie on predicted tissue and at least {MIN_SPOTS} "
            "are needed; check that slide and measurement are of one section."
        )
    spots = anndata.AnnData(
        obs=common.obs[["total_counts"]][matched].copy(),
        var=prediction.var.loc[common.var_names, ["gene_id", "held_out_pearson", "training_mean"]],
        obsm={"spatial": common.obsm["spatial"][matched]},
        layers={"measured": truth[matched], "predicted": estimate[matched]},
    )
    genes = score_genes(spots, prediction.var)
    summary = {
        "notice": RESEARCH_USE,
        "run": prediction.run_dir.name,
        "slide": prediction.provenance["slide"]["name"],
        "model": prediction.provenance["model"]["name"],
        "trained_on": prediction.provenance["model"]["training_sections"],
        "training_warning": _training_warning(prediction),
        "expression_unit": unit,
        "n_spots_measured": measured.n_obs,
        "n_spots": spots.n_obs,
        "n_genes": spots.n_vars,
        **_overall(spots),
        "domain_warning": prediction.provenance["domain"]["warning"],
        "alignment": {"verdict": alignment.verdict, "message": alignment.message},
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


def score_genes(spots: anndata.AnnData, panel: pd.DataFrame) -> pd.DataFrame:
    """Per-gene scores over the spots of `spots`, then the panel genes that cannot be scored.

    Parameters
    ----------
    spots
        Layers "measured" and "predicted"; `var["training_mean"]`.
    panel
        `Prediction.var`.
    """
    x, y = spots.layers["measured"], spots.layers["predicted"]
    mean = spots.var["training_mean"].to_numpy(np.float32)
    r = per_gene_pearson(x, y)
    p = spatial_p_values(x, y, spots.obsm["spatial"])
    constant = np.isnan(r)
    rank = [stats.rankdata(m, axis=0).astype(np.float32) for m in (x, y)]
    scored = pd.DataFrame(
        {
            "gene": spots.var_names,
            "n_spots": spots.n_obs,
            "pearson": r,
            "spearman": per_gene_pearson(rank[0], rank[1]),
            "rmse": np.sqrt(((x - y) ** 2).mean(0)),
            "mse_ratio_to_mean": mse_ratio_per_gene(x, y, mean),
            "p_value": p,
            "q_value": q_values(p),
            "held_out_pearson": spots.var["held_out_pearson"].to_numpy(),
            "note": np.where(constant, "not evaluable: constant in the measurement", ""),
        }
    )
    scored.loc[constant, ["pearson", "spearman", "rmse", "mse_ratio_to_mean"]] = np.nan
    absent = panel.index.difference(spots.var_names, sort=False)
    rest = pd.DataFrame(
        {
            "gene": absent,
            "n_spots": 0,
            "held_out_pearson": panel.loc[absent, "held_out_pearson"].to_numpy(),
            "note": "not evaluable: not measured",
        }
    )
    if len(rest):
        scored = pd.concat([scored, rest.reindex(columns=scored.columns).astype(scored.dtypes)])
    return scored[list(COLUMNS)].reset_index(drop=True)


def _at_spots(
    prediction: Prediction, common: anndata.AnnData, stride: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Predicted expression (spots, common genes) at the spots, and which spots are covered."""
    good = np.flatnonzero((prediction.obs["qc"] == "ok").to_numpy())
    weights, cover = tile_weights(
        prediction.centres[good], common.obsm["spatial"], prediction.tile_level0, stride
    )
    used = np.unique(weights.indices)
    columns = prediction.var.index.get_indexer(common.var_names)
    values = prediction.matrix(good[used])[:, columns]
    estimate = np.asarray(weights[:, used] @ values, dtype=np.float32)
    return estimate, cover >= MIN_COVER


def _training_warning(prediction: Prediction) -> str:
    if not prediction.provenance["model"].get("slide_was_trained_on"):
        return ""
    return (
        "The model was trained on this very slide: these scores do not say how well it does on a "
        "new patient; the held-out scores do."
    )


def _overall(spots: anndata.AnnData) -> dict[str, Any]:
    x, y = spots.layers["measured"], spots.layers["predicted"]
    mean = spots.var["training_mean"].to_numpy(np.float32)
    r = per_gene_pearson(x, y)
    varies = np.isfinite(r)
    x, y, mean = x[:, varies], y[:, varies], mean[varies]
    flat = np.broadcast_to(mean, x.shape)
    return {
        "n_genes_scored": int(varies.sum()),
        "per_gene_pearson": float(r[varies].mean()) if varies.any() else None,
        "mean_profile_per_gene_pearson": 0.0,
        "mse_ratio_to_mean": mse_ratio_to_mean(x, y, mean),
        "per_spot_pearson": float(np.nanmean(per_spot_pearson(x, y))),
        "mean_profile_per_spot_pearson": float(np.nanmean(per_spot_pearson(x, flat))),
        "share_of_genes_beating_mean": float((mse_ratio_per_gene(x, y, mean) < 1).mean()),
    }


def _write(out: Path, genes: pd.DataFrame, summary: dict[str, Any], spots: anndata.AnnData) -> None:
    """Write into a folder beside `out` and rename it: whole or not at all."""
    partial = out.with_name(out.name + ".partial")
    with disk_errors(out):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        genes.to_csv(partial / "genes.csv", index=False, float_format="%.6g")
        write_json(partial / "summary.json", summary)
        spots.write_h5ad(partial / "spots.h5ad", compression="gzip")
        if out.exists():
            out.rmdir()
        partial.rename(out)
