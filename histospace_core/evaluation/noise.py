"""The noise ceiling: the correlation that a perfect prediction would have with noisy counts."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.evaluation.metrics import per_gene_pearson
from histospace_core.expression.normalise import normalise


def noise_ceiling(
    counts: sparse.csr_matrix | sparse.csr_array,
    genes: NDArray[np.integer],
    *,
    how: str = "log10_cp10k",
    library: NDArray[np.floating] | None = None,
    n_repeats: int = 5,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Estimate the highest correlation that each gene can reach within one section.

    Each count is thinned binomially into two halves, which are normalised and correlated. The
    Spearman-Brown formula extrapolates this correlation, the reliability, to full depth; its square
    root is the correlation with the noiseless truth. At a few hundred UMI per spot the estimate is
    too high, because both halves share the depth of the spot.

    Parameters
    ----------
    counts : (spots, all genes)
        Raw counts.
    genes : (g,)
        Columns to score.
    how
        The normalisation, as `normalise` names it.
    library : (spots,)
        Total count of each spot, if `counts` has some genes only. The other genes are thinned
        together: a sum of thinned counts is the thinned sum.

    Returns
    -------
    (g,), NaN for a gene that is constant in a half.
    """
    rng = np.random.default_rng(seed)
    whole = sparse.csr_matrix(counts)
    if library is not None:
        rest = np.maximum(library - np.asarray(whole.sum(1), dtype=np.float64).ravel(), 0)
        whole = sparse.csr_matrix(sparse.hstack([whole, sparse.csr_matrix(rest[:, None])]))
    values = whole.data.astype(np.int64)  # a binomial draw needs whole numbers
    reliability = np.zeros(len(genes))
    for _ in range(n_repeats):
        half = rng.binomial(values, 0.5)
        pair = [
            normalise(
                sparse.csr_matrix((part, whole.indices, whole.indptr), whole.shape),
                how,
                genes=genes.tolist(),
            )
            for part in (half, values - half)
        ]
        reliability += per_gene_pearson(*pair) / n_repeats
    # sampling can make a reliability negative; near -1 the formula would divide by zero
    corrected = 2 * reliability / (1 + np.maximum(reliability, -0.5))
    return np.sqrt(np.clip(corrected, 0, 1))
