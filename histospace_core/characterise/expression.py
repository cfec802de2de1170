"""Log-scale expression, from counts or from a prediction, for every analysis of a section."""

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.expression.normalise import normalise

MIN_SHARE_OF_SPOTS = 0.1
"""A measured gene is used if at least this share of the spots has counts of it."""
_BINS = 20


def log_expression(table: AnnData) -> tuple[NDArray[np.floating], NDArray[np.str_]]:
    """Return expression (n, genes) on a log scale, and the names of its genes.

    Raw counts, recognised by ``obs["total_counts"]`` from `read_measured`, become ln(CP10k + 1) of
    the genes found in at least a tenth of the spots; other tables are returned unchanged.
    """
    if not is_counts(table):
        values = table.X.toarray() if sparse.issparse(table.X) else np.asarray(table.X)
        return values, table.var_names.to_numpy(dtype=str)
    found = np.asarray((table.X > 0).mean(axis=0)).ravel() >= MIN_SHARE_OF_SPOTS
    genes = table.var_names[found].to_numpy(dtype=str)
    # the library size remains that of all genes
    return normalise(table[:, found], "log1p_cp10k"), genes


def is_counts(table: AnnData) -> bool:
    """Whether a table contains raw counts, as `read_measured` returns them."""
    return "total_counts" in table.obs


def variable_genes(expression: NDArray[np.floating], number: int = 2000) -> NDArray[np.intp]:
    """Return the columns of the most variable genes of ln(CP10k + 1), relative to their means.

    Variability is the logarithm of variance over mean of CP10k, standardised within 20 bins of the
    mean (Satija et al. 2015, doi 10.1038/nbt.3192). Raw variance would choose only highly expressed
    genes.
    """
    if expression.shape[1] <= number:
        return np.arange(expression.shape[1])
    # the published dispersion is that of CP10k, not of its logarithm
    linear = np.expm1(expression.astype(np.float64))
    mean, variance = linear.mean(0), linear.var(0)
    dispersion = pd.Series(np.log(np.maximum(variance, 1e-12) / np.maximum(mean, 1e-12)))
    bins = dispersion.groupby(pd.cut(np.log1p(mean), _BINS, labels=False))
    # a bin with one gene, or with equal ones, has no spread
    spread = bins.transform("std").fillna(1.0).replace(0.0, 1.0)
    score = ((dispersion - bins.transform("mean")) / spread).to_numpy()
    return np.sort(np.argsort(-score, kind="stable")[:number])
