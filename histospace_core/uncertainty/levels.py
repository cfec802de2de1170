"""The level of a gene in a section, and how far it differs between patients and sections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import t as student

Values = NDArray[np.float64]


def section_level(
    counts: sparse.csr_matrix | sparse.csr_array | NDArray, depths: NDArray[np.floating]
) -> Values:
    """Return log10 counts per 10,000 of a section as a whole, (genes,).

    Parameters
    ----------
    counts : (spots, genes)
        Raw counts; half a count is added to the sum, so that no level is infinite.
    depths : (spots,)
        Total counts of each spot, over all genes.
    """
    total = max(float(np.sum(depths)), 1.0)
    return np.log10(1e4 * (np.asarray(counts.sum(0), np.float64).ravel() + 0.5) / total)


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of sections of several patients.

    Attributes
    ----------
    genes, sections, patients
        Names; the last two of each row.
    log10_cp10k : float64 (sections, genes)
        NaN where a section's table lacks the gene.
    """

    genes: tuple[str, ...]
    sections: tuple[str, ...]
    patients: tuple[str, ...]
    log10_cp10k: Values

    @property
    def n_patients(self) -> int:
        return len(set(self.patients))

    def of(self, genes: Sequence[str]) -> "Levels":
        """Return the levels of these genes, NaN for unknown ones."""
        columns = pd.Index(self.genes).get_indexer(list(genes))
        values = np.where(columns >= 0, self.log10_cp10k[:, columns], np.nan)
        return Levels(tuple(genes), self.sections, self.patients, values)

    def without(self, *, patient: str | None = None, section: str | None = None) -> "Levels":
        """Return the levels without a patient or a section."""
        keep = [
            i
            for i, (s, p) in enumerate(zip(self.sections, self.patients, strict=True))
            if p != patient and s != section
        ]
        return Levels(
            self.genes,
            tuple(self.sections[i] for i in keep),
            tuple(self.patients[i] for i in keep),
            self.log10_cp10k[keep],
        )

    def by_patient(self) -> tuple[Values, NDArray[np.int64]]:
        """Return the mean level of each patient, and the sections it is of, both (patients, genes).

        The mean is NaN where no section of the patient has the gene.
        """
        frame = pd.DataFrame(self.log10_cp10k).groupby(list(self.patients))
        return frame.mean().to_numpy(), frame.count().to_numpy(np.int64)


@dataclass(frozen=True, eq=False)
class LevelSpread:
    """The level to expect in a further section: Student's t around a mean.

    Attributes
    ----------
    mean, sd : float64 (genes,)
        In log10 counts per 10,000; NaN for a gene without levels.
    df : float
        Degrees of freedom.
    n_groups : int
        Patients (or sections of the patient) that it was learnt from.
    """

    mean: Values
    sd: Values
    df: float
    n_groups: int

    def half_width(self, level: float) -> Values:
        """Return the half-width of the central interval of the level, (genes,)."""
        return self.sd * student.ppf((1 + level) / 2, self.df)


def between_patients(levels: Levels) -> LevelSpread:
    """Return the level to expect in one section of a patient who is not among these.

    The variance between patients and between a patient's sections are each shrunk over genes, as
    moderated variances (Smyth 2004, doi 10.2202/1544-6115.1027).
    """
    means, n = levels.by_patient()
    known = np.isfinite(means)
    k = known.sum(0)
    mean = _mean(means)
    between = _moderated(_squares(means, mean), k - 1)
    within = _within(levels)
    single = np.where(known, 1 / np.maximum(n, 1), 0).sum(0) / np.maximum(k, 1)
    # the mean of a patient's sections varies less than the one section to expect
    variance = between.variance * (1 + 1 / np.maximum(k, 1)) + within.variance * (1 - single)
    sd = np.where(k > 0, np.sqrt(variance), np.nan)
    return LevelSpread(mean, sd, between.df, levels.n_patients)


def within_patients(levels: Levels, patient: str) -> LevelSpread:
    """Return the level to expect in a further section of a patient with sections among these."""
    own = levels.log10_cp10k[[p == patient for p in levels.patients]]
    within = _within(levels)
    n = np.isfinite(own).sum(0)
    sd = np.where(n > 0, np.sqrt(within.variance * (1 + 1 / np.maximum(n, 1))), np.nan)
    return LevelSpread(_mean(own), sd, within.df, len(own))


def level_coverage(levels: Levels, level: float) -> dict[str, float]:
    """Return the share of levels of each patient inside the interval learnt from the others."""
    shares = {}
    for patient in sorted(set(levels.patients)):
        spread = between_patients(levels.without(patient=patient))
        own = levels.log10_cp10k[[p == patient for p in levels.patients]]
        off = np.abs(own - spread.mean)
        both = np.isfinite(off) & np.isfinite(spread.sd)
        inside = off <= spread.half_width(level)
        shares[patient] = float(inside[both].mean()) if both.any() else float("nan")
    return shares


@dataclass(frozen=True, eq=False)
class _Moderated:
    """Variances of genes, each shrunk towards a common one, with their degrees of freedom."""

    variance: Values
    df: float


def _within(levels: Levels) -> _Moderated:
    """Return the variance of sections of one patient around their mean."""
    squares, df = np.zeros(len(levels.genes)), np.zeros(len(levels.genes))
    for patient in set(levels.patients):
        own = levels.log10_cp10k[[p == patient for p in levels.patients]]
        squares += _squares(own, _mean(own))
        df += np.maximum(np.isfinite(own).sum(0) - 1, 0)
    return _moderated(squares, df)


def _moderated(squares: Values, df: NDArray[np.number]) -> _Moderated:
    """Shrink sums of squares on `df` degrees of freedom to their prior by maximum of moments."""
    usable = (df > 0) & (squares > 0)
    if not usable.any():
        return _Moderated(np.zeros(len(squares)), np.inf)
    d = df[usable].astype(np.float64)
    s2 = np.maximum(squares[usable] / d, 1e-4 * np.median(squares[usable] / d))
    centred = np.log(s2) - digamma(d / 2) + np.log(d / 2)
    excess = centred.var(ddof=1) - polygamma(1, d / 2).mean() if len(d) > 1 else 0.0
    prior_df = 2 * _inverse_trigamma(excess) if excess > 0 else np.inf
    shift = digamma(prior_df / 2) - np.log(prior_df / 2) if np.isfinite(prior_df) else 0.0
    prior = float(np.exp(centred.mean() + shift))
    if not np.isfinite(prior_df):
        return _Moderated(np.full(len(squares), prior), np.inf)
    variance = np.asarray((prior_df * prior + squares) / (prior_df + df), np.float64)
    return _Moderated(variance, float(prior_df + np.median(d)))


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value."""
    if value < 1e-6:
        return 1 / value
    return float(brentq(lambda x: polygamma(1, x) - value, 1e-8, 2 / value + 2))


def _mean(values: Values) -> Values:
    known = np.isfinite(values)
    n = known.sum(0)
    return np.where(n > 0, np.where(known, values, 0).sum(0) / np.maximum(n, 1), np.nan)


def _squares(values: Values, mean: Values) -> Values:
    return np.where(np.isfinite(values), (values - mean) ** 2, 0).sum(0)
