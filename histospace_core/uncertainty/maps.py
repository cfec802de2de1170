"""How much of what a model's maps show to expect in a new section, and at which scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from histospace_core.uncertainty.autocorrelation import Autocorrelation, fit_autocorrelation
from histospace_core.uncertainty.map_slope import BANDS, RADII_UM, MapEvidence, reach_um

Values = NDArray[np.float64]

SCALES = ("tile", "200 um", "600 um", "slide")
"""Finest scale at which a map is confirmed: as predicted, averaged over neighbours, averaged over
regions, or only its mean over the slide."""
MOST_WRONG = 0.1
"""Probability of being wrong below which something is called confirmed."""


def scales_text(numbers: Mapping[str, int]) -> str:
    """Return how many genes were confirmed at each scale, in words."""
    words = ("tile by tile", "averaged within 200 um", "averaged within 600 um", "at none of these")
    return ", ".join(f"{numbers.get(s, 0):,} {w}" for s, w in zip(SCALES, words, strict=True))


@dataclass(frozen=True, eq=False)
class Maps:
    """What to expect of the maps of genes in a section of a new patient, or of a known one.

    Attributes
    ----------
    slope, slope_sd : float64 (genes,)
        Slope of true on predicted deviations from the slide's mean, and its standard deviation.
    scale : intp (genes,)
        Finest confirmed scale, an index into `SCALES`.
    autocorrelation : Autocorrelation
        Of what remains around the map.
    """

    slope: Values
    slope_sd: Values
    scale: NDArray[np.intp]
    autocorrelation: Autocorrelation

    def of(self, genes: NDArray[np.integer]) -> "Maps":
        """Return the maps of these genes, by place."""
        return replace(
            self, slope=self.slope[genes], slope_sd=self.slope_sd[genes], scale=self.scale[genes]
        )


REACH_UM = dict(zip(SCALES, (0.0, *map(reach_um, RADII_UM), np.inf), strict=True))
"""Distance within which a map is averaged at each scale."""
_NODES, _HALVINGS = 201, 30
_UNKNOWN = (1.0, 1.0)
"""Slope of a map of which nothing is known, and its standard deviation: it may be right, or off by
as much as it shows. Too unsure for any claim."""


def fit_maps(evidence: Sequence[MapEvidence], genes: Sequence[str], by: str) -> Maps | None:
    """Fit what to expect of maps to sections that the network had not seen; None without any.

    The slope of a gene differs between genes and, for each, between patients (`by` "patient") or
    sections of one patient ("section"). Both variances are estimated over all genes (method of
    moments). A gene's own slope is shrunk towards the mean of all genes, and a new patient differs
    from it as these patients do; so one patient alone says nothing
    about the next, and a map is then taken as shown, with an error as large as itself.

    A scale is confirmed for a gene if the detail that it adds to the next coarser one has a slope
    above 0, and that of all coarser ones too. At most a tenth of what is confirmed at
    any scale is expected to be wrong (local false sign rate of Stephens 2017, doi
    10.1093/biostatistics/kxw041; Bonferroni over the scales).
    """
    if not evidence:
        return None
    units = _units(evidence, by)
    whole, *bands = (_expected_slope(units, genes, band) for band in range(len(BANDS)))
    wrong = np.array([norm.sf(slope / sd) for slope, sd in bands])
    scale = np.full(len(genes), len(SCALES) - 1)
    for i in reversed(range(len(bands))):
        scale[(wrong[i:] < MOST_WRONG / len(bands)).all(0)] = i
    return Maps(*whole, scale, fit_autocorrelation([e.correlogram for e in evidence]))


def _units(evidence: Sequence[MapEvidence], by: str) -> list[list[MapEvidence]]:
    """Return the evidence of each patient, or each section by itself."""
    names = [e.patient if by == "patient" else e.section for e in evidence]
    return [
        [e for e, name in zip(evidence, names, strict=True) if name == one]
        for one in dict.fromkeys(names)
    ]


def _expected_slope(
    units: Sequence[Sequence[MapEvidence]], genes: Sequence[str], band: int
) -> tuple[Values, Values]:
    """Return the slope of a band to expect in a new unit and its standard deviation, (genes,)."""
    measured = [_of_unit(unit, genes, band) for unit in units]
    slope, error = (np.stack(values) for values in zip(*measured, strict=True))
    known = np.isfinite(slope) & (error > 0)
    weight = np.where(known, 1 / np.where(known, error, 1) ** 2, 0)
    slope = np.where(known, slope, 0)
    units_known = known.any(1)
    if units_known.sum() < 2 or not (known.sum(0) > 1).any():
        return np.full(len(genes), _UNKNOWN[0]), np.full(len(genes), _UNKNOWN[1])
    means = (weight * slope).sum(1)[units_known] / weight.sum(1)[units_known]
    between = _between(slope, error, known)
    shift = float(means.var(ddof=1))
    all_genes = _moment(slope[units_known], weight[units_known], means)
    among_genes = max(all_genes - max(between - shift, 0), 0)
    # a gene's own mean, as far as its counts tell it
    own = np.where(known, 1 / (np.where(known, error, 1) ** 2 + between), 0)
    prior = 1 / max(among_genes, 1e-6)
    precision = prior + own.sum(0)
    mean = (prior * means.mean() + (own * slope).sum(0)) / precision
    among_units = np.sqrt(1 / precision + max(between - shift, 0))
    common = np.sqrt(shift * (1 + 1 / len(means)))
    return mean, _sd_of_sum(among_units, float(common), len(means) - 1)


def _sd_of_sum(normal_sd: Values, scale: float, df: int) -> Values:
    """Return the deviation of a normal whose 90 % interval is that of a normal plus Student's t.

    What all genes of a unit have in common is known from few units, hence the t. It is at most
    that of a map of which nothing is known.
    """
    nodes = scale * student.ppf((np.arange(_NODES) + 0.5) / _NODES, df)
    low, high = np.zeros(len(normal_sd)), 3 * normal_sd + nodes[-1]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = norm.cdf((middle[:, None] - nodes) / normal_sd[:, None]).mean(1) < 0.95
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.minimum(high / norm.ppf(0.95), _UNKNOWN[1])


def _of_unit(unit: Sequence[MapEvidence], genes: Sequence[str], band: int) -> tuple[Values, Values]:
    """Return the mean slope over the sections of a unit, and its error, (genes,).

    Sections of one patient are of neighbouring tissue, so they do not lower the error.
    """
    slope, error = np.full((2, len(unit), len(genes)), np.nan)
    for i, section in enumerate(unit):
        place = pd.Index(section.genes).get_indexer(list(genes))
        slope[i, place >= 0] = section.slope[band, place[place >= 0]]
        error[i, place >= 0] = section.error[band, place[place >= 0]]
    known = np.isfinite(slope)
    n = np.maximum(known.sum(0), 1)
    none = ~known.any(0)
    mean = np.where(known, slope, 0).sum(0) / n
    spread = np.where(known, error, 0).sum(0) / n
    return np.where(none, np.nan, mean), np.where(none, np.nan, spread)


def _between(slope: Values, error: Values, known: NDArray[np.bool_]) -> float:
    """Return the variance of a gene's slope between units, over the genes known in two or more."""
    total, weights = 0.0, 0.0
    for i in range(len(slope)):
        for j in range(i):
            both = known[i] & known[j]
            noise = error[i, both] ** 2 + error[j, both] ** 2
            total += float((((slope[i, both] - slope[j, both]) ** 2 - noise) / noise).sum())
            weights += float((2 / noise).sum())
    return max(total / weights, 0.0) if weights else 0.0


def _moment(slope: Values, weight: Values, means: Values) -> float:
    """Return the variance of slopes over genes within units (DerSimonian & Laird 1986)."""
    variances = []
    for b, w, mean in zip(slope, weight, means, strict=True):
        excess = (w * (b - mean) ** 2).sum() - ((w > 0).sum() - 1)
        variances.append(max(excess / (w.sum() - (w**2).sum() / w.sum()), 0.0))
    return float(np.mean(variances))
