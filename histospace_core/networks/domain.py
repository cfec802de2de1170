"""The domain score: how far a tile is from the tissue that a model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

_COMPONENTS = 16
_SHARES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Domain:
    """A Gaussian over the training tiles' pooled encoder features, and their distances from it.

    Features are standardised; their covariance is that of probabilistic PCA (Tipping & Bishop
    1999, J. R. Stat. Soc. B 61:611): 16 components with their own variance, and one variance for
    all other directions. The distance of a tile is its Mahalanobis distance; its score is the share
    of training tiles that are nearer.

    Attributes
    ----------
    centre, spread : shape (c,)
    components : shape (16, c)
    variances : shape (17,)
        Of the components, then of every other direction.
    distances : shape (101,)
        Percentiles of the training tiles' own distances.
    """

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    components: NDArray[np.float32]
    variances: NDArray[np.float32]
    distances: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.floating]) -> Self:
        """Fit the Gaussian to the pooled features (n, c) of the training tiles."""
        centre, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
        _, singular, axes = np.linalg.svd((features - centre) / spread, full_matrices=False)
        variance = np.maximum(singular**2 / len(features), 1e-6)
        k = min(_COMPONENTS, len(variance) - 1)  # one direction at least for the common variance
        # The mean of the rest is the maximum-likelihood estimate of their common variance.
        variances = np.append(variance[:k], variance[k:].mean())
        learnt = cls(centre, spread, axes[:k], variances, np.zeros(0, np.float32))
        percentiles = np.quantile(learnt._distance(features), _SHARES)
        values = (centre, spread, axes[:k], variances, percentiles)
        return cls(*(v.astype(np.float32) for v in values))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self | None:
        """Return the domain that `to_tensors` stored; None if a tensor is missing."""
        names = [f.name for f in fields(cls)]
        if not set(names) <= set(tensors):
            return None
        return cls(**{name: tensors[name].numpy() for name in names})

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {
            # safetensors refuses tensors that are not contiguous.
            f.name: torch.from_numpy(np.ascontiguousarray(getattr(self, f.name)))
            for f in fields(self)
        }

    def score(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the domain score in [0, 1] of pooled features (n, c)."""
        # interp stays at 1 beyond the farthest training tile.
        return np.interp(self._distance(features), self.distances, _SHARES).astype(np.float32)

    def _distance(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        standard = (features - self.centre) / self.spread
        along = (standard @ self.components.T) ** 2
        rest = np.maximum((standard**2).sum(1) - along.sum(1), 0)  # rounding can make it negative
        return np.sqrt((along / self.variances[:-1]).sum(1) + rest / self.variances[-1])
