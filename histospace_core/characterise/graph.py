"""Graphs of tiles: neighbours on the slide and neighbours in expression."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.spatial import cKDTree

from histospace_core.evaluation.spatial import REACH, pitch

Graph: TypeAlias = sparse.csr_array
"""Symmetric weights between tiles, (n, n), with an empty diagonal."""

_BLOCK = 8192  # tiles at once: centring all of them would copy the matrix
_EXACT = 20_000
"""Up to this many tiles, the nearest neighbours in expression are exact. Above it, each may be up
to twice as far away as the true one, which changes a graph of many such edges little."""


def spatial_neighbours(centres: NDArray[np.floating]) -> Graph:
    """Join each tile to those within `REACH` pitches: 8 on a square lattice, 6 on a hexagonal one.

    Parameters
    ----------
    centres : (n, 2)
        In any unit of length.

    Returns
    -------
    Graph
        Weights of 1; a tile without a neighbour has an empty row.
    """
    n = len(centres)
    if n < 2:
        return sparse.csr_array((n, n))
    reach = REACH * pitch(centres)
    pairs = cKDTree(centres).query_pairs(reach, output_type="ndarray")
    return _symmetric(pairs[:, 0], pairs[:, 1], np.ones(len(pairs)), n)


def components(expression: NDArray[np.floating], n_components: int = 30) -> NDArray[np.float64]:
    """Return the principal components of tiles, from the covariance of the genes.

    Parameters
    ----------
    expression : (n, genes)
        On a logarithmic scale, without missing values.
    n_components : int
        Largest number of components to return.

    Returns
    -------
    (n, k)
        Components without variance are left out.
    """
    n = len(expression)
    n_genes = expression.shape[1]
    mean = expression.mean(0, dtype=np.float64)
    covariance = np.zeros((n_genes, n_genes))  # its size does not depend on the slide
    for start in range(0, n, _BLOCK):
        block = expression[start : start + _BLOCK] - mean
        covariance += block.T @ block
    k = min(n_components, n_genes, n - 1)  # n centred tiles span n - 1 dimensions
    power, axes = linalg.eigh(covariance / n, subset_by_index=(n_genes - k, n_genes - 1))
    # eigh sorts ascending
    axes = axes[:, ::-1][:, power[::-1] > 1e-9 * max(np.trace(covariance) / n, 1e-300)]
    # The sign of an eigenvector is arbitrary: fix it, so that results are reproducible.
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    blocks = range(0, n, _BLOCK)
    return np.concatenate([(expression[i : i + _BLOCK] - mean) @ axes for i in blocks])


def weigh_by_similarity(scores: NDArray[np.float64], neighbours: Graph) -> Graph:
    """Weight spatial neighbours by similarity, so that edges across a border have low weights.

    The weight is exp(-d^2 / m), where d is the distance in component space and m the median d^2
    over all neighbours: the range kernel of the bilateral filter (Tomasi & Manduchi 1998, ICCV).
    """
    pairs = neighbours.tocoo()
    squared = ((scores[pairs.row] - scores[pairs.col]) ** 2).sum(1)
    scale = float(np.median(squared)) if len(squared) else 1.0
    weights = np.exp(-squared / max(scale, 1e-12))
    return sparse.csr_array((weights, (pairs.row, pairs.col)), shape=neighbours.shape)


def joint_graph(
    scores: NDArray[np.float64], centres: NDArray[np.floating], n_neighbours: int = 15
) -> Graph:
    """Join tiles with similar expression and tiles that are neighbours on the slide.

    The result is the sum of three graphs: nearest neighbours in expression; at half the weight,
    nearest neighbours in expression after each tile was averaged with its similar spatial
    neighbours, which removes noise and preserves borders; and the spatial neighbours themselves,
    weighted by similarity.

    Parameters
    ----------
    scores : (n, components)
    centres : (n, 2)
    n_neighbours : int
        Neighbours of each tile in expression.
    """
    neighbours = spatial_neighbours(centres)
    own = sparse.eye_array(len(scores), format="csr")
    similarity = weigh_by_similarity(scores, neighbours)
    weights = own + similarity
    smoothed = sparse.diags_array(1 / weights.sum(1)) @ weights @ scores
    degree = max(neighbours.sum() / max(len(scores), 1), 1.0)
    graph = (
        expression_neighbours(scores, n_neighbours)
        + 0.5 * expression_neighbours(smoothed, n_neighbours)  # chosen on mouse olfactory bulb
        + similarity / degree  # a tile's edges weigh about 1 in all, as in the other graphs
    )
    return sparse.csr_array(graph)


def expression_neighbours(scores: NDArray[np.float64], k: int) -> Graph:
    """Join each tile to its `k` nearest in expression; the weights of a tile sum to about 1.

    The weights are those of UMAP (McInnes, Healy & Melville 2018, arXiv 1802.03426): exp(-(d -
    d_1) / s), with s such that the weights of a tile sum to log2(k + 1); the two directions a and
    b are combined as a + b - ab.
    """
    n = len(scores)
    k = min(k, n - 1)
    eps = 0.0 if n <= _EXACT else 1.0
    distance, near = cKDTree(scores).query(scores, k=k + 1, eps=eps)
    rows = np.repeat(np.arange(n), k + 1)
    # by index: of tiles that coincide, the tile itself need not be first
    other = rows != near.ravel()
    beyond = np.where(other.reshape(near.shape), distance, np.inf)
    beyond -= beyond.min(1, keepdims=True)
    low, high = np.zeros((n, 1)), np.full((n, 1), 1e3 * max(float(scores.std()), 1e-12))
    for _ in range(40):  # bisection for s; 40 halvings are exact to double precision
        width = (low + high) / 2
        wide = np.exp(-beyond / width).sum(1, keepdims=True) > np.log2(k + 1)
        low, high = np.where(wide, low, width), np.where(wide, width, high)
    weights = np.exp(-beyond / width).ravel()[other]
    one = sparse.csr_array((weights, (rows[other], near.ravel()[other])), shape=(n, n))
    both = sparse.csr_array(one + one.T - one * one.T)
    return sparse.csr_array(both * (n / max(both.sum(), 1e-12)))


def _symmetric(
    rows: NDArray[np.integer], columns: NDArray[np.integer], weights: NDArray[np.float64], n: int
) -> Graph:
    half = sparse.csr_array((weights, (rows, columns)), shape=(n, n))
    return sparse.csr_array(half + half.T)
