"""Ridge regression whose penalty is chosen on an inner split of the training sections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

PENALTIES = tuple(10.0 ** np.arange(-2, 7))
_BLOCKS = 5


@dataclass(frozen=True, eq=False)
class RidgeMap:
    """Standardisation, optional principal components, and a ridge on them.

    Attributes
    ----------
    penalty
        Penalty on the squared weights of the features that `pipeline` returns.
    """

    pipeline: Pipeline
    mean: NDArray[np.float32]
    weights: NDArray[np.float32]
    penalty: float

    @property
    def n_parameters(self) -> int:
        """Number of weights, means, scales and components."""
        scaler, *pca = (step for _, step in self.pipeline.steps)
        fitted = [scaler.mean_, scaler.scale_, *(p.components_ for p in pca)]
        return int(self.weights.size + self.mean.size + sum(a.size for a in fitted))

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map features (n, f) to targets (n, g)."""
        predicted = self.mean + self.pipeline.transform(features) @ self.weights
        return predicted.astype(np.float32)


def fit_ridge(
    features: NDArray[np.float32],
    targets: NDArray[np.float32],
    sizes: Sequence[int],
    *,
    n_components: int | None = None,
    penalty: float | None = None,
) -> RidgeMap:
    """Fit on all spots, with the penalty that has the smallest error on left-out sections.

    Each training section is left out in turn. A single section is split into fifths in the order of
    its table, which keeps most neighbours together. Scaling and components are fitted without the
    spots that are left out.

    Parameters
    ----------
    features : (n, f)
    targets : (n, g)
    sizes
        Number of spots of each section, in the order of the rows.
    n_components
        Number of principal components of the standardised features (fewer if there are fewer
        spots); None keeps the features.
    penalty
        Penalty to use; None chooses one of `PENALTIES`.
    """
    if penalty is None:
        errors = np.zeros(len(PENALTIES))
        group = _groups(sizes)
        for left_out in np.unique(group):
            learn, held = group != left_out, group == left_out
            pipeline = _pipeline(features[learn], n_components)
            x, mean = pipeline.transform(features[learn]), targets[learn].mean(0)
            z = pipeline.transform(features[held])
            for i, candidate in enumerate(PENALTIES):
                weights = _solve(x, targets[learn] - mean, candidate)
                errors[i] += ((mean + z @ weights - targets[held]) ** 2).sum()
        penalty = float(PENALTIES[int(errors.argmin())])
    pipeline = _pipeline(features, n_components)
    mean = targets.mean(0)
    weights = _solve(pipeline.transform(features), targets - mean, penalty)
    return RidgeMap(pipeline, mean, weights.astype(np.float32), penalty)


def _groups(sizes: Sequence[int]) -> NDArray[np.intp]:
    if len(sizes) > 1:
        return np.repeat(np.arange(len(sizes)), sizes)
    n = sizes[0]
    return np.arange(n) * min(_BLOCKS, n) // n


def _pipeline(features: NDArray[np.float32], n_components: int | None) -> Pipeline:
    steps: list[StandardScaler | PCA] = [StandardScaler()]
    if n_components is not None:
        # n centred rows have at most n - 1 components
        most = min(n_components, len(features) - 1, features.shape[1])
        steps.append(PCA(most, svd_solver="full"))  # the randomised solver depends on a seed
    return make_pipeline(*steps).fit(features)


def _solve(x: NDArray[np.float32], deviation: NDArray[np.float32], penalty: float) -> NDArray:
    """Return weights (f, g) of centred features, whose intercept is the mean."""
    return (
        # for a single target, scikit-learn returns one dimension
        Ridge(alpha=penalty, fit_intercept=False).fit(x, deviation).coef_.reshape(-1, x.shape[1]).T
    )
