"""The domains of one resolution: their names, markers and reliability."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.characterise.domains import Domains
from histospace_core.characterise.markers import SMALLEST_REGION, find_markers
from histospace_core.characterise.measured import against_measured, labels_at_spots
from histospace_core.characterise.signatures import SignatureScores
from histospace_core.errors import MeasurementError

CLEAR_EFFECT = 0.5
"""A gene with at least this least effect, in standard deviations, is a clear marker. It is a
medium effect after Cohen (1988)."""
MOSTLY_OUT_OF_DOMAIN = 0.5
"""A domain has low trust if more than this share of its tiles is out of domain."""
LOW_CONFIDENCE = 0.5
"""A domain has low trust if its tiles are assigned to it in fewer than this share of resamples."""
_NAMED_AFTER = 0.1
"""Smallest difference of mean z-scores at which a domain is named after a signature."""
_TOP = 5


@dataclass(frozen=True)
class Level:
    """The domains of one resolution.

    Attributes
    ----------
    names : list of str
        ``"D1: Stroma"``, after the signature with the largest difference, or ``"D1"``.
    markers : DataFrame or None
        ``Markers.table`` without p- and q-values, which are not valid for domains found on the
        same genes. With a comparison, also the columns of ``AgainstMeasured.markers``. None if
        fewer than two domains are large enough.
    measured : dict or None
        Agreement of the measurement with this level, as in ``summary.json``.
    """

    names: list[str]
    markers: pd.DataFrame | None
    measured: dict[str, Any] | None

    @property
    def table(self) -> pd.DataFrame:
        """The markers; an empty table if there are none."""
        columns = ["region", "gene", "difference", "effect_size", "least_effect"]
        return pd.DataFrame(columns=columns) if self.markers is None else self.markers


@dataclass(frozen=True)
class Measured:
    """The spots of a comparison, the domains of their measurement, and the stride of the tiles."""

    spots: AnnData
    domains: Domains
    stride: float


def describe_level(
    table: AnnData,
    labels: NDArray[np.intp],
    scored: SignatureScores,
    measured: Measured | None,
    *,
    all_genes: bool,
    seed: int,
) -> Level:
    """Name the domains of one level and find their markers.

    Parameters
    ----------
    table : AnnData
        Tiles x genes, as for `find_domains`.
    labels : int, (n,)
        Domain of each tile; -1 for none.
    scored : SignatureScores
    measured : Measured or None
        The measurement to compare with, if there is a comparison.
    all_genes : bool
        Test all genes for markers, not only the reliable ones.
    seed : int
    """
    names = domain_names(labels, scored)
    if (np.bincount(labels[labels >= 0]) >= SMALLEST_REGION).sum() < 2:
        return Level(names, None, None)
    found = find_markers(table, labels, reliable_only=not all_genes, seed=seed).table
    markers = found.drop(columns=["p_value", "q_value"])
    if measured is None:
        return Level(names, markers, None)
    centres = np.asarray(table.obsm["spatial"], dtype=np.float64)
    spots = labels_at_spots(measured.spots.obsm["spatial"], centres, labels, measured.stride)
    try:
        held = against_measured(measured.spots, measured.domains, spots, markers, seed=seed)
    except MeasurementError as error:  # another level may still have enough spots in each domain
        return Level(names, markers, {"note": str(error)})
    facts = {"n_measured_domains": held.n_measured_domains, **held.agreement}
    effects = [{**row, "region": names[int(row["region"])]} for row in held.effects]
    merged = markers.merge(held.markers, on=["region", "gene"], how="left")
    return Level(names, merged, {**facts, "effects": effects})


def domain_names(labels: NDArray[np.intp], scored: SignatureScores) -> list[str]:
    """Suggest a name for each domain: its number and the signature with the largest difference.

    The difference is that of mean scores inside and outside the domain. A signature is not used if
    the interval of its held-out score includes zero.
    """
    known = np.isfinite(scored.scores).any(0)
    if "held_out_ci_low" in scored.table:
        # negated, so that an unknown interval (NaN) excludes nothing
        known &= ~(scored.table["held_out_ci_low"].to_numpy(np.float64) <= 0)
    names = []
    for domain in range(int(labels.max()) + 1):
        inside, outside = labels == domain, (labels >= 0) & (labels != domain)
        name = f"D{domain + 1}"
        if known.any() and outside.any():
            here = np.nanmean(scored.scores[inside][:, known], axis=0)
            difference = here - np.nanmean(scored.scores[outside][:, known], axis=0)
            best = int(difference.argmax())
            if difference[best] >= _NAMED_AFTER:
                name += ": " + str(scored.table["signature"].to_numpy()[known][best])
        names.append(name)
    return names


def domain_facts(
    level: Level,
    labels: NDArray[np.intp],
    confidence: NDArray[np.float64],
    out_of_domain: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Return the facts about each domain of a level, as in ``summary.json``."""
    table = level.table
    facts = []
    for number, name in enumerate(level.names):
        inside = labels == number
        clear = table[(table["region"] == str(number)) & (table["least_effect"] >= CLEAR_EFFECT)]
        outside = float(out_of_domain[inside].mean())
        sure = float(np.nanmean(confidence[inside])) if np.isfinite(confidence[inside]).any() else 0
        doubts = []
        if outside > MOSTLY_OUT_OF_DOMAIN:
            doubts.append("unlike the training tissue")
        if sure < LOW_CONFIDENCE:
            doubts.append("unstable when tiles are left out")
        facts.append(
            {
                "domain": name,
                "n_tiles": int(inside.sum()),
                "confidence": sure,
                "n_clear_markers": len(clear),
                "top_markers": list(clear["gene"][:_TOP]),
                "share_outside_training_tissue": outside,
                "trust": f"low: {', '.join(doubts)}" if doubts else "",
            }
        )
    return facts
