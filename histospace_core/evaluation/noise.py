"""The noise ceiling: the correlation that a perfect prediction would have with noisy counts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import orth

from histospace_core.evaluation.metrics import Matrix, per_gene_pearson
from histospace_core.evaluation.spatial import nearest
from histospace_core.expression.normalise import normalise

SHARE_COLUMNS = ("share_of_noise_ceiling", "share_of_noise_ceiling_low")
"""Names of the two shares of `share_of`. Where only the first is known, it is of an older version:
a share of r and of a ceiling that contain the depth."""
_MAX_OVERDISPERSION = 1e3
"""From here on, a spot's count of a gene goes to one half as a whole, so more changes nothing."""


@dataclass(frozen=True, eq=False)
class CeilingBracket:
    """Both ends of the noise ceiling of each gene, (genes,), NaN for a gene without one.

    Attributes
    ----------
    low
        If all variation beyond Poisson that adjacent spots do not share is technical; never above
        `high`.
    high
        If none of it is.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def noise_ceiling(
    counts: sparse.csr_matrix | sparse.csr_array,
    library: NDArray[np.floating],
    centres: NDArray[np.floating],
    *,
    how: str = "log10_cp10k",
    n_repeats: int = 5,
    seed: int = 0,
) -> CeilingBracket:
    """Bracket the highest `pearson_given_depth` that each gene can reach within one section.

    Each count is split at random into two halves, which are normalised, freed of the spot's depth
    and correlated. The Spearman-Brown formula extrapolates this correlation, the reliability, to
    full depth; its square root is the correlation with the noiseless truth.

    The halves of a Poisson count split by a fair coin are independent given the truth. If technical
    variation is larger than Poisson, both halves share it, and the ceiling is too high: the upper
    end. For the lower end, the coin's bias is drawn from Beta(1 / 2a, 1 / 2a), which makes the
    halves of a negative binomial count of overdispersion a independent (Neufeld et al. 2024, JMLR
    25:57, arXiv 2307.12985). `overdispersion` is that between adjacent spots, which includes
    biology that differs from spot to spot.

    Parameters
    ----------
    counts : (spots, genes)
        Raw counts.
    library : (spots,)
        Total count of each spot over all genes of its table.
    centres : (spots, 2)
        Spot centres.
    how
        The normalisation, as `normalise` names it.
    """
    rng = np.random.default_rng(seed)
    n_genes = counts.shape[1]
    a = overdispersion(counts, library, centres)
    # the other genes are split together: a sum of split counts is the split sum
    rest = np.maximum(library - np.asarray(counts.sum(1), dtype=np.float64).ravel(), 0)
    whole = sparse.csr_matrix(sparse.hstack([counts, sparse.csr_matrix(rest[:, None])]))
    values = whole.data.astype(np.int64)  # a binomial draw needs whole numbers
    shape = 1 / (2 * np.clip(np.append(a, 0), 1e-9, _MAX_OVERDISPERSION))[whole.indices]

    def reliability(half: NDArray[np.int64]) -> NDArray[np.float64]:
        one, other = (
            normalise(
                sparse.csr_matrix((part, whole.indices, whole.indptr), whole.shape),
                how,
                genes=range(n_genes),
            )
            for part in (half, values - half)
        )
        return pearson_given_depth(one, other, library)

    low, high = np.zeros(n_genes), np.zeros(n_genes)
    for _ in range(n_repeats):
        high += reliability(rng.binomial(values, 0.5)) / n_repeats
        low += reliability(rng.binomial(values, rng.beta(shape, shape))) / n_repeats
    low, high = _at_full_depth(low), _at_full_depth(high)
    known = np.isfinite(low) & np.isfinite(high)
    # two random splits can cross where the overdispersion is small
    return CeilingBracket(
        np.where(known, np.minimum(low, high), np.nan), np.where(known, high, np.nan)
    )


def overdispersion(
    counts: sparse.csr_matrix | sparse.csr_array,
    library: NDArray[np.floating],
    centres: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return the overdispersion a of each gene between adjacent spots, (genes,), by moments.

    The model is var = mu + a mu^2 with mu = depth x rate. The rate is common to a spot and its
    neighbours: with one rate for the whole section, a would contain the map itself, and splitting
    by it would cancel every signal. Two such spots give d = (x_i n_j - x_j n_i) / (n_i + n_j) with
    E d^2 = m + 2 a m^2, m = rate n_i n_j / (n_i + n_j). Both m and m^2 have unbiased estimates, and
    a is the ratio of the sums over all pairs. It is 0 if the counts vary less than Poisson, and
    infinite if a gene is never found in two adjacent spots.

    Parameters
    ----------
    counts : (spots, genes)
    library : (spots,)
    centres : (spots, 2)
    """
    x = sparse.csr_array(counts).astype(np.float64)
    i, j = _pairs(centres)
    both = library[i] + library[j]
    i, j, both = i[both > 0], j[both > 0], both[both > 0]
    n = len(library)
    # entry (i, j): the share of the pair's depth that spot j has
    share = sparse.csr_array((library[j] / both, (i, j)), shape=(n, n))
    share = share + sparse.csr_array((library[i] / both, (j, i)), shape=(n, n))
    product = share.multiply(share.T).tocsr()
    squares = np.asarray(share.multiply(share).sum(1)).ravel() @ x.multiply(x)
    singles = np.asarray(product.sum(1)).ravel() @ x
    cross = np.asarray(x.multiply(product @ x).sum(0)).ravel()
    excess = squares - singles - cross
    ratio = np.divide(excess, cross, out=np.full(x.shape[1], np.inf), where=cross > 0)
    return np.where(excess > 0, ratio, 0.0)


def pearson_given_depth(
    measured: Matrix, predicted: Matrix, library: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the partial correlation of each gene over the spots given the depth, (genes,).

    Depth remains in normalised counts, since a gene found once has a value of 10,000 / depth. Two
    halves of a count share it, and a network sees it where few cells mean few molecules.

    Parameters
    ----------
    measured, predicted : (spots, genes)
    library : (spots,)
        Total count of each spot.
    """
    return per_gene_pearson(_without_depth(measured, library), _without_depth(predicted, library))


def share_of(r: float, low: float, high: float) -> tuple[float, float]:
    """Return r as a share of the upper and of the lower end of a ceiling; NaN if unknown.

    The ceiling is at least r, so where r is above the lower end, the second share is 1. Where
    chance takes r above the upper end too, both shares are above 1 and equal.
    """
    if not np.isfinite([r, low, high]).all() or high <= 0:
        return np.nan, np.nan
    limit = max(low, min(abs(r), high))
    return r / high, r / limit if limit else 0.0


def range_text(*ends: float | None, form: str = "{:.3f}", unknown: str = "not evaluable") -> str:
    """Return "low-high"; one number if the other is unknown or looks alike."""
    known = sorted(float(end) for end in ends if end is not None and np.isfinite(end))
    return "-".join(dict.fromkeys(form.format(end) for end in known)) or unknown


def share_text(shares: Iterable[float]) -> str:
    """Return the shares of both ends as text; "unknown" without any."""
    # a rounded -1 % would read as less than nothing
    return range_text(
        *(max(s, 0) for s in shares if np.isfinite(s)), form="{:.0%}", unknown="unknown"
    )


def _without_depth(values: Matrix, library: NDArray[np.floating]) -> NDArray[np.float64]:
    depth = np.log10(np.maximum(library, 1))
    depth = depth - depth.mean()
    # the square too, since log10(1 + CP10k) of one rate is curved in log depth: on B4 and C2 of
    # her2st with every gene at one rate, the line alone leaves a ceiling above that of pure noise
    basis = orth(np.column_stack([np.ones_like(depth), depth, depth**2]))
    x = values.astype(np.float64)
    rest = x - basis @ (basis.T @ x)
    rounding = rest.std(0) <= 1e-6 * np.maximum(np.abs(x).max(0), 1e-6)
    return np.where(rounding, 0.0, rest)


def _at_full_depth(reliability: NDArray[np.float64]) -> NDArray[np.float64]:
    # sampling can make a reliability negative; near -1 the formula would divide by zero
    corrected = 2 * reliability / (1 + np.maximum(reliability, -0.5))
    return np.sqrt(np.clip(corrected, 0, 1))


def _pairs(centres: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two spots of each pair of which one is among the nearest of the other."""
    near = nearest(centres)
    i = np.repeat(np.arange(len(centres)), near.shape[1])
    pairs = np.unique(np.sort(np.column_stack([i, near.ravel()]), axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]
