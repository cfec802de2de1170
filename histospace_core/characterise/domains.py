"""Spatial domains: contiguous regions of tiles with similar expression."""

from collections.abc import Sequence
from dataclasses import dataclass

import graspologic_native
import numpy as np
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise.expression import is_counts, log_expression, variable_genes
from histospace_core.characterise.graph import Graph, components, joint_graph
from histospace_core.errors import MeasurementError

SCAN = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
"""Resolutions tried by default. The useful ones depend on the size of the section, so a wide range
is scanned and only levels with a useful number of domains are kept."""
FEWEST, MOST = 2, 20
MINIMUM_TILES = 20
_SHARE = 0.8
_STABLE = 0.65
_ITERATIONS = 3


@dataclass(frozen=True)
class Domains:
    """Domains of one section at several resolutions, from coarse to fine.

    Attributes
    ----------
    resolutions : (levels,)
    labels : int, (n, levels)
        Domain of each tile, 0 for the largest domain; -1 for a tile without expression.
    stability : (levels,)
        Mean adjusted Rand index between the domains and those of random 80 % of the tiles; NaN
        at a level with a single domain.
    stability_control : (levels,)
        The same for normal noise with the variances of the components, which has no clusters
        (the null of SigClust, Liu et al. 2008, doi 10.1198/016214508000000454); NaN if this
        control was not requested.
    confidence : (n, levels)
        Among the resamples that contain the tile, the share that assign it to the same domain;
        NaN for a tile that no resample contains.
    chosen : int
        The most stable level with at least three domains if its stability is at least 0.65,
        otherwise the most stable level. Two domains are nearly always stable but seldom useful.
    """

    resolutions: tuple[float, ...]
    labels: NDArray[np.intp]
    stability: NDArray[np.float64]
    stability_control: NDArray[np.float64]
    confidence: NDArray[np.float64]
    chosen: int

    @property
    def best(self) -> NDArray[np.intp]:
        """The labels (n,) of the chosen level."""
        return self.labels[:, self.chosen]

    @property
    def n_domains(self) -> list[int]:
        """The number of domains at each level."""
        return [int(level.max()) + 1 for level in self.labels.T]


def find_domains(
    table: AnnData,
    *,
    resolutions: Sequence[float] | None = None,
    n_resamples: int = 5,
    control: bool = False,
    seed: int = 0,
) -> Domains:
    """Find spatial domains of measured or predicted expression.

    Leiden (Traag, Waltman & van Eck 2019, doi 10.1038/s41598-019-41695-z) on the graph of
    `graph.joint_graph`. Raw counts, as `read_measured` returns them, are normalised and reduced to
    their 2,000 most variable genes; other tables must be on a log scale and are used unchanged.

    Parameters
    ----------
    table : AnnData
        Tiles x genes with ``obsm["spatial"]``; a tile with a missing value is left out.
    resolutions : sequence of float, optional
        Levels to report. By default `SCAN` is tried, and one level is kept for each number of
        domains from 2 to 20; if there is none, the level nearest to that range.
    n_resamples : int
        Number of random subsets of 80 % of the tiles that are clustered to measure stability.
    control : bool
        Whether to measure stability on noise as well, which doubles the time.
    seed : int

    Raises
    ------
    MeasurementError
        The table has no positions, fewer than 20 tiles with expression, or no gene that varies.
    """
    if "spatial" not in table.obsm:
        raise MeasurementError("The table has no positions; put tile centres in obsm['spatial'].")
    expression, _ = log_expression(table)
    if is_counts(table):
        expression = expression[:, variable_genes(expression)]
    known = np.isfinite(expression).all(1)
    if known.sum() < MINIMUM_TILES:
        raise MeasurementError(
            f"Only {known.sum()} tiles have expression; domains need at least {MINIMUM_TILES}."
        )
    centres = np.asarray(table.obsm["spatial"], dtype=np.float64)[known]
    # a mask of all tiles would still copy the matrix
    scores = components(expression if known.all() else expression[known])
    if scores.shape[1] == 0:
        raise MeasurementError("No gene varies between tiles, so no domains can be found.")
    graph = joint_graph(scores, centres)
    levels = _levels(graph, resolutions, seed)
    resampled = [_resample(graph, list(levels), n, seed) for n in range(n_resamples)]
    labels = np.full((table.n_obs, len(levels)), -1, dtype=np.intp)
    confidence = np.full(labels.shape, np.nan)
    stability = np.full(len(levels), np.nan)
    for column, found in enumerate(levels.values()):
        labels[known, column] = found
        if resampled and found.max() > 0:
            stability[column], confidence[known, column] = _agreement(
                found, [(drawn, again[column]) for drawn, again in resampled]
            )
    null = np.full(len(levels), np.nan)
    if control:
        noise = np.random.default_rng(seed).normal(0, scores.std(0), scores.shape)
        null = _stability(joint_graph(noise, centres), list(levels), n_resamples, seed)
    chosen = _choose(labels, stability)
    return Domains(tuple(levels), labels, stability, null, confidence, chosen)


def leiden(graph: Graph, resolution: float, seed: int, iterations: int = _ITERATIONS) -> NDArray:
    """Return the communities (n,) of a graph by modularity, numbered from the largest."""
    ordered = sparse.csr_array(graph)
    ordered.sort_indices()
    _, community = graspologic_native.leiden_csr(
        ordered.indptr.astype(np.int64),  # the native function converts no types
        ordered.indices.astype(np.int32),
        ordered.data.astype(np.float64),
        ordered.shape[0],
        resolution=resolution,
        seed=seed,
        iterations=iterations,
    )
    found = np.fromiter((community[i] for i in range(ordered.shape[0])), np.intp)
    _, labels, sizes = np.unique(found, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.intp)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[labels]


def _levels(
    graph: Graph, resolutions: Sequence[float] | None, seed: int
) -> dict[float, NDArray[np.intp]]:
    """Return labels by resolution, from coarse to fine."""
    tried: dict[float, NDArray[np.intp]] = {}
    for resolution in sorted(resolutions or SCAN):
        tried[resolution] = leiden(graph, resolution, seed)
        if not resolutions and tried[resolution].max() >= MOST:
            break  # finer levels would have even more domains
    if resolutions:
        return tried
    by_number = {int(labels.max()) + 1: r for r, labels in tried.items()}
    useful = [r for number, r in by_number.items() if FEWEST <= number <= MOST]
    if not useful:
        useful = [min(by_number.items(), key=lambda item: abs(item[0] - MOST / 2))[1]]
    return {r: tried[r] for r in sorted(useful)}


def _choose(labels: NDArray[np.intp], stability: NDArray[np.float64]) -> int:
    """Return the index of the level to show first."""
    score = np.nan_to_num(stability)
    # numbers begin at 0, so these have at least three domains
    several = np.where(labels.max(0) >= 2, score, 0.0)
    return int((several if several.max() >= _STABLE else score).argmax())


def _stability(
    graph: Graph, resolutions: list[float], n_resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the mean adjusted Rand index with the resamples; NaN for a single domain."""
    resampled = [_resample(graph, resolutions, n, seed) for n in range(n_resamples)]
    found = np.full(len(resolutions), np.nan)
    for level, resolution in enumerate(resolutions):
        labels = leiden(graph, resolution, seed)
        if resampled and labels.max() > 0:
            found[level] = _agreement(labels, [(drawn, a[level]) for drawn, a in resampled])[0]
    return found


def _resample(
    graph: Graph, resolutions: list[float], number: int, seed: int
) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Draw 80 % of the tiles and cluster their subgraph at every level."""
    rng = np.random.default_rng([seed, number])
    n = graph.shape[0]
    drawn = np.sort(rng.choice(n, size=int(_SHARE * n), replace=False))
    part = graph[drawn][:, drawn]
    return drawn, [leiden(part, r, number + 1, iterations=1) for r in resolutions]


def _agreement(
    labels: NDArray[np.intp], resampled: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> tuple[float, NDArray[np.float64]]:
    """Return the mean adjusted Rand index with the resamples, and each tile's confidence (n,)."""
    stayed, seen = np.zeros(len(labels)), np.zeros(len(labels))
    indices = []
    for drawn, again in resampled:
        indices.append(adjusted_rand_score(labels[drawn], again))
        table = np.zeros((again.max() + 1, labels.max() + 1))
        np.add.at(table, (again, labels[drawn]), 1)
        # numbers differ between clusterings: match each domain to the one it overlaps most
        stayed[drawn] += table.argmax(1)[again] == labels[drawn]
        seen[drawn] += 1
    share = np.divide(stayed, seen, out=np.full(len(labels), np.nan), where=seen > 0)
    return float(np.mean(indices)), share
