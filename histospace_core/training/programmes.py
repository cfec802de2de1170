"""Expression programmes, and the ridge regression that predicts them from frozen features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = 128
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_FIFTHS = 5


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The first k principal components of the training expression.

    Attributes
    ----------
    scores : float32 (n, k)
        Of the training spots, in units of the first component's standard deviation.
    programmes : float32 (k, G)
        Expression that one unit of each score stands for.
    """

    scores: NDArray[np.float32]
    programmes: NDArray[np.float32]


def decompose(targets: NDArray[np.float32], k: int) -> Decomposition:
    """Decompose the deviation of the targets (n, G) from their mean."""
    left, singular, right = np.linalg.svd(targets - targets.mean(0), full_matrices=False)
    unit = singular[0] / np.sqrt(len(targets))
    scores = left[:, :k] * singular[:k] / unit
    return Decomposition(scores.astype(np.float32), (right[:k] * unit).astype(np.float32))


@dataclass(frozen=True, eq=False)
class LinearMap:
    """scores = (features - centre) / spread @ weight.T."""

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    weight: NDArray[np.float32]


def fit_ridge_on_views(
    features: NDArray[np.float32], scores: NDArray[np.float32], group: NDArray[np.intp]
) -> LinearMap:
    """Ridge regression of scores on the features of several looks at each spot.

    Each look is a row of its own: what differs between looks at one spot is thereby penalised.
    Regression is on the first 128 principal components of the spots' mean features; the penalty of
    each programme is the one with the least error on left-out sections (fifths of a single one).

    Parameters
    ----------
    features : (n, looks, f)
    scores : (n, k)
    group : (n,)
        Section of each spot.
    """
    mean = features.mean(1)
    centre, spread = mean.mean(0), mean.std(0) + 1e-6
    _, _, axes = np.linalg.svd((mean - centre) / spread, full_matrices=False)
    basis = axes[:_COMPONENTS].T
    z = ((features - centre) / spread) @ basis
    if len(np.unique(group)) == 1:
        group = np.arange(len(group)) * _FIFTHS // len(group)
    errors = np.zeros((len(_PENALTIES), scores.shape[1]))
    for left_out in np.unique(group):
        learn, held = group != left_out, group == left_out
        for i, weights in enumerate(_solve(z[learn], scores[learn])):
            errors[i] += ((z[held].mean(1) @ weights - scores[held]) ** 2).sum(0)
    best = errors.argmin(0)
    all_weights = _solve(z, scores)
    chosen = np.column_stack([all_weights[b][:, i] for i, b in enumerate(best)])
    return LinearMap(
        centre.astype(np.float32),
        spread.astype(np.float32),
        np.ascontiguousarray((basis @ chosen).T, dtype=np.float32),
    )


def _solve(z: NDArray[np.float32], scores: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Weights (c, k) for each penalty, which is relative to the mean variance of a row."""
    rows = z.reshape(-1, z.shape[2]).astype(np.float64)
    product = rows.T @ np.repeat(scores, z.shape[1], 0)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    rotated = vectors.T @ product
    scale = values.sum() / len(rows) * z.shape[1]
    return [vectors @ (rotated / (values + p * scale)[:, None]) for p in _PENALTIES]
