"""Compare the domains and markers of a prediction with the measurement of the same section."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histospace_core.characterise.agreement import Agreement, agreement
from histospace_core.characterise.contrasts import contrasts
from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.markers import SMALLEST_REGION, find_markers
from histospace_core.characterise.placements import placements
from histospace_core.characterise.signatures import Signature, score_signatures
from histospace_core.errors import MeasurementError
from histospace_core.evaluation.metrics import per_gene_pearson
from histospace_core.evaluation.significance import spatial_p_values

_REACH = 0.75  # the corner of a tile is 0.71 strides from its centre
"""A spot belongs to the tile whose centre is nearest, within this many strides."""


@dataclass(frozen=True)
class AgainstMeasured:
    """Predicted domains compared with measured expression.

    Attributes
    ----------
    agreement : Agreement
        Of the predicted domains with a similar number of domains found in the measurement.
    n_measured_domains : int
        Number of those domains.
    effects : list of dict
        One per predicted domain: ``region, n_spots, pearson`` (over the genes, between predicted
        effect size and measured difference in standard deviations), ``pearson_shuffled_mean,
        pearson_shuffled_p95, p_value`` (from random placements of the domain).
    markers : pandas.DataFrame
        ``region, gene, measured_difference, measured_effect, measured_q_value``. These q-values
        are valid, since the domains are independent of the measurement.
    """

    agreement: Agreement
    n_measured_domains: int
    effects: list[dict[str, Any]]
    markers: pd.DataFrame


def labels_at_spots(
    spots: NDArray[np.floating],
    centres: NDArray[np.floating],
    labels: NDArray[np.integer],
    stride: float,
) -> NDArray[np.intp]:
    """Return the label (m,) of the tile that each spot lies on; -1 for spots off the tiles.

    Parameters
    ----------
    spots, centres : (m, 2), (n, 2), level-0 px
    labels : int, (n,)
    stride : float
        Distance between tile centres, level-0 px.
    """
    distance, nearest = cKDTree(centres).query(spots)
    return np.where(distance <= _REACH * stride, labels[nearest], -1).astype(np.intp)


def measured_domains(spots: AnnData, seed: int = 0) -> Domains:
    """Find domains in the measurement at the matched spots of a comparison."""
    return find_domains(_table(spots, "measured"), seed=seed)


def against_measured(
    spots: AnnData,
    found: Domains,
    labels: NDArray[np.integer],
    effects: pd.DataFrame,
    *,
    n_placements: int = 199,
    seed: int = 0,
) -> AgainstMeasured:
    """Compare predicted domains and their markers with the measurement.

    Parameters
    ----------
    spots : AnnData
        ``Comparison.spots``: layers ``measured`` and ``predicted``, ``obsm["spatial"]``.
    found : Domains
        Domains of the measurement (`measured_domains`); the level with the most similar number of
        domains is used.
    labels : int, (spots,)
        Predicted domain of each spot (`labels_at_spots`).
    effects : DataFrame
        ``Markers.table`` of the predicted domains.

    Raises
    ------
    MeasurementError
        Fewer than two predicted domains lie on measured spots.
    """
    here = np.bincount(labels[labels >= 0])
    if (here >= SMALLEST_REGION).sum() < 2:
        raise MeasurementError(
            "The measured spots lie on fewer than two domains of this level, so there is nothing "
            "to compare."
        )
    centres = np.asarray(spots.obsm["spatial"], dtype=np.float64)
    number = np.array(found.n_domains)
    level = int(np.abs(number - (here > 0).sum()).argmin())
    measured = found.labels[:, level]
    names = np.where(measured >= 0, measured.astype(str), "")
    scores = agreement(labels, names, centres, n_placements=n_placements, seed=seed)
    # whether a gene is reliable concerns its prediction, not its measurement
    table = find_markers(
        _table(spots, "measured"), labels, reliable_only=False, n_placements=n_placements, seed=seed
    ).table
    markers = table[["region", "gene", "difference", "effect_size", "q_value"]].set_axis(
        ["region", "gene", "measured_difference", "measured_effect", "measured_q_value"], axis=1
    )
    rows = _effects(spots, labels, effects, centres, n_placements, seed)
    return AgainstMeasured(scores, int(number[level]), rows, markers)


def signatures_at_spots(
    spots: AnnData, signatures: Sequence[Signature], used: Collection[str]
) -> pd.DataFrame:
    """Correlate predicted with measured scores of signatures over the spots of a comparison.

    Parameters
    ----------
    spots : AnnData
        ``Comparison.spots``.
    signatures : sequence of Signature
    used : collection of str
        Genes that a predicted score may use; a measured score uses all genes of the list.

    Returns
    -------
    DataFrame
        One row per signature: ``signature, section_pearson, section_p_value`` (for the effective
        number of spots); NaN if either score is missing.
    """
    predicted = _table(spots, "predicted")
    tables = _table(spots, "measured"), predicted[:, predicted.var_names.isin(list(used))]
    scores = [score_signatures(table, list(signatures)).scores for table in tables]
    known = np.isfinite(scores[0]).all(0) & np.isfinite(scores[1]).all(0)
    r, p = np.full(len(signatures), np.nan), np.full(len(signatures), np.nan)
    if known.any():
        pair = scores[0][:, known], scores[1][:, known]
        r[known] = per_gene_pearson(*pair)
        p[known] = spatial_p_values(*pair, np.asarray(spots.obsm["spatial"]))
    names = [signature.name for signature in signatures]
    return pd.DataFrame({"signature": names, "section_pearson": r, "section_p_value": p})


def _table(spots: AnnData, layer: str) -> AnnData:
    # without obs: its total_counts would mark the layer as raw counts
    return AnnData(
        np.asarray(spots.layers[layer]),
        var=spots.var.copy(),
        obsm={"spatial": np.asarray(spots.obsm["spatial"])},
    )


def _effects(
    spots: AnnData,
    labels: NDArray[np.integer],
    effects: pd.DataFrame,
    centres: NDArray[np.float64],
    n_placements: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Correlate the predicted effects of each domain with the measured differences."""
    sizes = np.bincount(labels[labels >= 0])
    regions = [int(r) for r in np.flatnonzero(sizes >= SMALLEST_REGION)]
    # Genes that are constant in the prediction have no effect size and are left out.
    wide = effects.pivot_table(index="gene", columns="region", values="effect_size").dropna()
    regions = [r for r in regions if str(r) in wide.columns]
    genes = wide.index.intersection(spots.var_names)
    values = np.asarray(spots[:, genes].layers["measured"], dtype=np.float32)
    varies = np.ptp(values, axis=0) > 0
    z = (values - values.mean(0))[:, varies] / values.std(0)[varies]
    predicted = wide.loc[genes[varies], [str(r) for r in regions]].to_numpy(np.float64)

    def correlations(placed: NDArray[np.integer]) -> NDArray[np.float64]:
        return per_gene_pearson(z.T @ contrasts(placed.astype(np.intp), regions, None), predicted)

    r = correlations(labels)
    moved = [np.where(s >= 0, labels[s], -1) for s in placements(centres, n_placements, seed)]
    # reshaped, so that it has two axes when there is no placement
    control = np.array([correlations(placed) for placed in moved]).reshape(-1, len(regions))
    return [
        {
            "region": str(region),
            "n_spots": int(sizes[region]),
            "pearson": float(r[i]),
            "pearson_shuffled_mean": float(np.mean(control[:, i])),
            "pearson_shuffled_p95": float(np.quantile(control[:, i], 0.95)),
            # one-sided: a negative correlation is no agreement
            "p_value": float(((control[:, i] >= r[i]).sum() + 1) / (len(control) + 1)),
        }
        for i, region in enumerate(regions)
    ]
