"""How far the rate of a spot lies from its prediction, learnt from counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

Values = NDArray[np.float64]

_GRID = np.array([0.0, 0.03, 0.06, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3, 0.36, 0.43, 0.52, 0.65, 0.8])
"""Standard deviations to choose between, in log10 of the rate."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_GENES_AT_ONCE = 256  # limits memory: spots x genes x nodes
_EM_STEPS = 20


@dataclass(frozen=True, eq=False)
class SpotEvidence:
    """What the counts of a section say about the spread of its spots.

    Attributes
    ----------
    genes : tuple of str
    log_likelihood : float64 (genes, standard deviations)
        Of each standard deviation of the grid; equal for a gene without counts.
    """

    section: str
    patient: str
    genes: tuple[str, ...]
    log_likelihood: Values


def spot_evidence(
    section: str,
    patient: str,
    genes: Sequence[str],
    counts: sparse.csr_matrix | sparse.csr_array,
    depths: NDArray[np.floating],
    log_rates: Values,
) -> SpotEvidence:
    """Weigh each standard deviation of spots around their prediction by the counts of a section.

    The counts of a spot are Poisson, with a lognormal rate around the prediction. The level of the
    section is fitted with it, because patients' levels have a spread of their own.

    Parameters
    ----------
    counts : (spots, genes)
    depths : (spots,)
        Total counts of each spot; spots without counts are left out.
    log_rates : (spots, genes)
        Predicted log10 counts per 10,000, up to a constant for each gene.
    """
    use = depths > 0
    found = np.zeros((len(genes), len(_GRID)))
    columns = sparse.csc_matrix(counts)
    for part in np.array_split(np.arange(len(genes)), -(-len(genes) // _GENES_AT_ONCE)):
        dense = columns[:, part].toarray().astype(np.float64)[use]
        found[part] = _log_likelihood(dense, depths[use, None] * 10.0 ** log_rates[use][:, part])
    return SpotEvidence(section, patient, tuple(genes), found)


def fit_spot_sd(evidence: Sequence[SpotEvidence], genes: Sequence[str]) -> Values:
    """Fit the standard deviation of log10 rates around their prediction, (genes,).

    The likelihood of each gene is combined with the distribution over all genes (empirical Bayes),
    so a gene without counts has the mean of the others.

    Raises
    ------
    ValueError
        There is no section.
    """
    if not evidence:
        raise ValueError("a spread cannot be fitted to no section")
    likelihood = np.zeros((len(genes), len(_GRID)))
    for section in evidence:
        place = pd.Index(section.genes).get_indexer(list(genes))
        likelihood[place >= 0] += section.log_likelihood[place[place >= 0]]
    counted = np.ptp(likelihood, axis=1) > 0
    weights = np.exp(likelihood - likelihood.max(1, keepdims=True))
    prior = np.full(len(_GRID), 1 / len(_GRID))
    for _ in range(_EM_STEPS if counted.any() else 0):
        posterior = weights[counted] * prior
        prior = (posterior / posterior.sum(1, keepdims=True)).mean(0)
    posterior = weights * prior
    return posterior @ _GRID / posterior.sum(1)


def _log_likelihood(counts: Values, mean: Values) -> Values:
    """Return the log-likelihood of each standard deviation of the grid, (genes, grid)."""
    total, expected = counts.sum(0), mean.sum(0)
    found = total > 0  # a gene without a count says nothing about its spread
    mean = mean * np.where(found, total / np.where(found, expected, 1), 0)
    log_mean = np.log(np.maximum(mean, 1e-12))
    weights = _WEIGHTS / _WEIGHTS.sum()
    result = np.zeros((counts.shape[1], len(_GRID)))
    for i, sd in enumerate(_GRID):
        # the lognormal factor has mean 1, so that the section's level stays what it is
        factors = np.exp(sd * np.log(10) * _NODES)
        factors /= weights @ factors
        terms = np.stack(
            [
                np.log(w) + counts * (log_mean + np.log(f)) - mean * f
                for w, f in zip(weights, factors, strict=True)
            ]
        )
        top = terms.max(0)
        result[:, i] = (top + np.log(np.exp(terms - top).sum(0))).sum(0)
    return np.where(found[:, None], result, 0)
