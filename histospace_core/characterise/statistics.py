"""Spatial statistics of expression and of domains. Moran's I itself is `evaluation.morans_i`."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.characterise.graph import spatial_neighbours
from histospace_core.characterise.placements import placements
from histospace_core.evaluation.significance import q_values


def local_moran(
    values: NDArray[np.floating],
    centres: NDArray[np.floating],
    *,
    n_permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Where one gene clusters: local Moran's I of each tile (Anselin 1995, Geogr. Anal. 27:93).

    I_i = z_i times the mean z of its neighbours, z the standardised value. The p-value compares
    that mean with means of as many tiles drawn at random (conditional permutation): the same draws
    serve every tile of one number of neighbours.

    Parameters
    ----------
    values : (n,)
    centres : (n, 2)

    Returns
    -------
    DataFrame, n rows: ``local_i``, two-sided ``p_value``, ``q_value`` and ``kind``: "high" (high
    among high), "low", "high outlier" (high among low), "low outlier", or "" where q >= 0.05. A
    tile without a neighbour or a value, or a constant gene, has NaN.
    """
    known = np.isfinite(values)
    graph = spatial_neighbours(centres[known])
    x = values[known].astype(np.float64)
    spread = x.std()
    z = (x - x.mean()) / (spread if spread > 0 else np.nan)
    degree = np.asarray(graph.sum(1)).ravel().astype(int)
    lag = np.divide(graph @ z, degree, out=np.full(len(z), np.nan), where=degree > 0)
    rng = np.random.default_rng(seed)
    p = np.full(len(z), np.nan)
    for number in np.unique(degree[degree > 0]):
        drawn = np.sort(rng.choice(z, size=(n_permutations, number)).mean(1))
        tiles = (degree == number) & np.isfinite(lag)
        above = n_permutations - np.searchsorted(drawn, lag[tiles], side="left")
        below = np.searchsorted(drawn, lag[tiles], side="right")
        p[tiles] = np.minimum(2 * (np.minimum(above, below) + 1) / (n_permutations + 1), 1)
    q = q_values(p)
    sign = np.where(lag > 0, np.where(z > 0, "high", "low outlier"), "high outlier")
    kind = np.where((lag <= 0) & (z <= 0), "low", sign)
    table = pd.DataFrame(
        np.nan, index=range(len(values)), columns=["local_i", "p_value", "q_value"]
    )
    table.loc[known] = np.column_stack([z * lag, p, q])
    table["kind"] = ""
    table.loc[known, "kind"] = np.where(q < 0.05, kind, "")
    return table


def spatial_coexpression(
    expression: NDArray[np.floating], centres: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How far pairs of genes run together across neighbouring tiles, (genes, genes).

    The bivariate form of Moran's I (Wartenberg 1985, Geogr. Anal. 17:263), symmetric: the mean of
    z_a of a tile times the mean z_b over its neighbours, over both orders. Its diagonal is each
    gene's Moran's I. NaN in the row and column of a constant gene.

    Parameters
    ----------
    expression : (n, genes), without missing values
    centres : (n, 2)
    """
    graph = spatial_neighbours(centres)
    degree = np.asarray(graph.sum(1)).ravel()
    joined = degree > 0
    spread = expression.std(0, dtype=np.float64)
    z = (expression - expression.mean(0, dtype=np.float64)) / np.where(spread > 0, spread, np.nan)
    lag = (graph @ z)[joined] / degree[joined, None]
    product = z[joined].T @ lag / max(joined.sum(), 1)
    return (product + product.T) / 2


def neighbourhood_enrichment(
    labels: NDArray[np.integer],
    centres: NDArray[np.floating],
    *,
    n_placements: int = 199,
    seed: int = 0,
) -> pd.DataFrame:
    """Which domains lie beside each other more often than their shapes would by chance.

    The number of neighbouring pairs of two domains is compared with that between one domain and
    the other laid elsewhere (`placements`). Shuffling single tiles, as is common, asks whether
    domains are patches, which they are by construction.

    Parameters
    ----------
    labels : int, (n,)
        -1 takes no part.
    centres : (n, 2)

    Returns
    -------
    DataFrame, a row a pair of different domains: ``domain, other, pairs, expected, ratio,
    p_value`` (two-sided, empirical), ``q_value``.
    """
    number = int(labels.max(initial=-1)) + 1
    edges = spatial_neighbours(centres).tocoo()
    seen = _pairs(labels[edges.row], labels[edges.col], number)
    drawn = []
    for source in placements(centres, n_placements, seed):
        placed = np.where(source >= 0, labels[source], -1)
        drawn.append(_pairs(labels[edges.row], placed[edges.col], number))
    null = np.array(drawn, dtype=np.float64).reshape(-1, number, number)
    null = (null + null.transpose(0, 2, 1)) / 2
    # placements lose pairs at the outline and gain pairs on top of each other: compare shares
    off = ~np.eye(number, dtype=bool)
    observed = _share(seen[None].astype(np.float64) * off)[0]
    expected = _share(null * off)
    rows = []
    for a, b in zip(*np.triu_indices(number, 1), strict=True):
        chance, share = expected[:, a, b], observed[a, b]
        more, fewer = (chance >= share).sum(), (chance <= share).sum()
        p = min(1.0, 2 * (min(more, fewer) + 1) / (len(chance) + 1))
        mean = float(chance.mean()) if len(chance) else np.nan
        ratio = share / mean if mean > 0 else np.nan
        rows.append((int(a), int(b), int(seen[a, b]), mean * seen[off].sum() / 2, ratio, p))
    columns = ["domain", "other", "pairs", "expected", "ratio", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    table["q_value"] = q_values(table["p_value"].to_numpy(dtype=np.float64))
    return table


def _pairs(one: NDArray[np.integer], two: NDArray[np.integer], number: int) -> NDArray[np.intp]:
    """Count edges by the domains of their ends, (number, number)."""
    both = (one >= 0) & (two >= 0)
    cell = one[both] * number + two[both]
    return np.bincount(cell, minlength=number**2).reshape(number, number)


def _share(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts as shares of all pairs of different domains, whose cells count twice."""
    total = counts.sum((1, 2), keepdims=True) / 2
    return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
