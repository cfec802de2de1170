"""A held-out section with its prediction, and the gene sets to score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.evaluation.metrics import Matrix
from histospace_core.evaluation.noise import CeilingBracket, noise_ceiling, pearson_given_depth
from histospace_core.evaluation.spatial import morans_i

SET_SIZE = 50


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One held-out section: measured and predicted expression of the panel, and the baseline.

    Attributes
    ----------
    measured, predicted : float32 (spots, genes)
        In the expression unit of the model; a gene that was not counted is 0.
    mean_profile : float32 (genes,)
        Mean of the training spots: the baseline that uses no image.
    counts : csr (spots, genes) or None
        Raw counts of the same genes, for the noise ceiling.
    centres : float64 (spots, 2)
        Spot centres in level-0 px.
    counted : bool (genes,)
        Genes that the section's table contains.
    library : float64 (spots,) or None
        Total count of each spot over ALL genes of its table, by which expression is normalised;
        if None, the total over `counts`.
    levels_profile : float32 (genes,) or None
        Mean expression of the patients whose counts are known, if the prediction is moved to it: a
        baseline without an image that is harder to beat than `mean_profile`.
    domain : float32 (spots,) or None
        Domain score of each spot.
    um_per_px : float or None
        Pixel size of the slide, for distances on the tissue.
    """

    section: str
    patient: str
    genes: tuple[str, ...]
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    mean_profile: NDArray[np.float32]
    counts: sparse.csr_matrix | sparse.csr_array | None
    centres: NDArray[np.float64]
    counted: NDArray[np.bool_]
    library: NDArray[np.float64] | None = None
    levels_profile: NDArray[np.float32] | None = None
    domain: NDArray[np.float32] | None = None
    um_per_px: float | None = None

    @property
    def depths(self) -> NDArray[np.float64]:
        """Total count of each spot, (spots,); of the given genes if `library` is unknown."""
        if self.library is not None:
            return self.library
        assert self.counts is not None
        return np.asarray(self.counts.sum(1), np.float64).ravel()

    @property
    def baseline(self) -> NDArray[np.float32]:
        """The best profile that uses no image, (genes,)."""
        return self.mean_profile if self.levels_profile is None else self.levels_profile

    @property
    def depth(self) -> NDArray[np.float64] | None:
        """Total count of each spot, (spots,); None if unknown."""
        if self.library is not None or self.counts is None:
            return self.library
        return np.asarray(self.counts.sum(1), dtype=np.float64).ravel()

    def pearson_given_depth(self) -> NDArray[np.float64]:
        """Return the correlation of each gene given the depth, (genes,), NaN if unknown."""
        if self.depth is None:
            return np.full(len(self.genes), np.nan)
        return pearson_given_depth(self.measured, self.predicted, self.depth)

    def noise_ceiling(self, how: str = "log10_cp10k") -> CeilingBracket:
        """Return the highest correlation given the depth that each gene can reach."""
        low, high = np.full((2, len(self.genes)), np.nan)
        if self.counts is not None and self.depth is not None and self.counted.any():
            counts = sparse.csr_matrix(self.counts)[:, self.counted]
            found = noise_ceiling(counts, self.depth, self.centres, how=how)
            low[self.counted], high[self.counted] = found.low, found.high
        return CeilingBracket(low, high)


@dataclass(frozen=True, eq=False)
class GeneSets:
    """Indices into the panel, chosen on training data only.

    Attributes
    ----------
    hvg50 : the 50 genes of largest variance over the pooled training spots.
    svg50 : the 50 genes of largest Moran's I, averaged over the training sections.
    """

    hvg50: NDArray[np.intp]
    svg50: NDArray[np.intp]


def gene_sets(expression: Sequence[Matrix], centres: Sequence[NDArray[np.floating]]) -> GeneSets:
    """Choose the gene sets from the training sections.

    Parameters
    ----------
    expression
        Normalised expression of each training section, (spots, genes) with the same genes.
    centres
        Spot centres of each, (spots, 2).
    """
    variance = np.concatenate(list(expression)).var(0)
    autocorrelation = np.array([morans_i(x, c) for x, c in zip(expression, centres, strict=True)])
    known = np.isfinite(autocorrelation)
    # not np.nanmean, which warns of a gene that varies in no section
    total = np.where(known, autocorrelation, 0).sum(0)
    n = known.sum(0)
    return GeneSets(
        _largest(variance), _largest(np.where(n > 0, total / np.maximum(n, 1), -np.inf))
    )


def _largest(values: NDArray[np.floating]) -> NDArray[np.intp]:
    # stable, so that ties do not depend on the machine
    return np.sort(np.argsort(-values, kind="stable")[:SET_SIZE])
