"""Expression programmes, and the ridge regression that predicts them from frozen features."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = 128
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_FIFTHS = 5


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The first k programmes of the training expression.

    Attributes
    ----------
    scores : float32 (n, k)
        Scores of the training spots, in standard deviations of the first programme.
    programmes : float32 (k, G)
        What a unit of each score adds to the mean expression.
    """

    scores: NDArray[np.float32]
    programmes: NDArray[np.float32]


def decompose(profiles: NDArray[np.float32], targets: NDArray[np.float32], k: int) -> Decomposition:
    """Find the first k principal components of `profiles` and regress `targets` on them.

    Parameters
    ----------
    profiles : (n, any)
        Expression in which the programmes are found.
    targets : (n, G)
        Expression to predict, at the same spots.
    """
    left, singular, _ = np.linalg.svd(profiles - profiles.mean(0), full_matrices=False)
    unit = singular[0] / np.sqrt(len(profiles))
    scores = left[:, :k] * singular[:k] / unit
    # the scores are orthogonal, so least squares splits into one division per programme
    programmes = scores.T @ (targets - targets.mean(0)) / (scores**2).sum(0)[:, None]
    return Decomposition(scores.astype(np.float32), programmes.astype(np.float32))


@dataclass(frozen=True, eq=False)
class LinearMap:
    """scores = (features - centre) / spread @ weight.T."""

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    weight: NDArray[np.float32]


Part = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Columns (f,) of some features among all, and these features of each spot's poses, (n, poses, f).
Each pose is a separate row, which penalises features that differ between the poses of a spot.
"""


def fit_ridges(
    parts: Iterable[Part],
    n_features: int,
    scores: NDArray[np.float32],
    group: NDArray[np.intp],
) -> LinearMap:
    """Average one ridge per part of the features; scale each programme to fit left-out sections.

    A single regression on all features relies on combinations that hold for the training patients
    only. The mean of several does so less, but shrinks too much, which the scale corrects.

    Parameters
    ----------
    parts
        One at a time, because all of them may not fit in memory. They may share columns.
    n_features
        Number of all features.
    scores : (n, k)
    group : (n,)
        Section of each spot; a single section is split into fifths.

    Returns
    -------
    LinearMap
        Map of all features.
    """
    if len(np.unique(group)) == 1:
        # contiguous, because neighbouring spots must not be on both sides
        group = np.arange(len(group)) * _FIFTHS // len(group)
    centre, spread = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
    weight = np.zeros((scores.shape[1], n_features))
    held_out = np.zeros(scores.shape)
    for columns, features in parts:
        fitted, left_out = _fit_part(features, scores, group)
        centre[columns], spread[columns] = fitted.centre, fitted.spread
        weight[:, columns] += fitted.weight
        held_out += left_out
    # The scale also divides the sums by the number of parts.
    # A programme may be predicted as 0 everywhere.
    scale = (held_out * scores).sum(0) / (held_out**2).sum(0).clip(1e-12)
    # a programme predicted with the wrong sign on left-out sections is dropped
    weight *= scale.clip(0)[:, None]
    return LinearMap(centre, spread, weight.astype(np.float32))


def _fit_part(
    features: NDArray[np.float32], scores: NDArray[np.float32], group: NDArray[np.intp]
) -> tuple[LinearMap, NDArray[np.float64]]:
    """Regress on the first 128 principal components of a part's features.

    The penalty of each programme is the one with the smallest error on left-out sections. Also
    return the predictions of each spot with its section left out, (n, k).
    """
    mean = features.mean(1)  # axes of differences between spots, not between poses
    centre, spread = mean.mean(0), mean.std(0) + 1e-6
    _, _, axes = np.linalg.svd((mean - centre) / spread, full_matrices=False)
    basis = axes[:_COMPONENTS].T
    z = ((features - centre) / spread) @ basis
    held_out = np.empty((len(_PENALTIES), *scores.shape))
    for left_out in np.unique(group):
        learn, held = group != left_out, group == left_out
        for i, weights in enumerate(_solve(z[learn], scores[learn])):
            held_out[i, held] = z[held].mean(1) @ weights
    best = ((held_out - scores) ** 2).sum(1).argmin(0)
    every = np.arange(len(best))
    chosen = np.stack(_solve(z, scores))[best, :, every]
    weight = (basis @ chosen.T).T.astype(np.float32)
    fitted = LinearMap(centre.astype(np.float32), spread.astype(np.float32), weight)
    return fitted, held_out[best, :, every].T


def _solve(z: NDArray[np.float32], scores: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Return weights (c, k) for each penalty, which is relative to the mean variance of a row."""
    # a Gram matrix squares the condition number
    rows = z.reshape(-1, z.shape[2]).astype(np.float64)
    product = rows.T @ np.repeat(scores, z.shape[1], 0)
    values, vectors = np.linalg.eigh(rows.T @ rows)  # one decomposition serves all penalties
    rotated = vectors.T @ product
    # poses multiply the data term, so the penalty must grow with them
    scale = values.sum() / len(rows) * z.shape[1]
    return [vectors @ (rotated / (values + p * scale)[:, None]) for p in _PENALTIES]
