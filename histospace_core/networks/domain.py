"""How far a tile lies from the tissue a model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_QUANTILES = 101


@dataclass(frozen=True)
class Domain:
    """Centre and spread of the training tiles' pooled encoder features.

    The distance of a tile is the root mean square of its standardised features (a Mahalanobis
    distance with a diagonal covariance); its score is the share of training tiles that are nearer.

    Attributes
    ----------
    centre, spread : shape (c,)
    distances : shape (101,)
        Percentiles of the training tiles' own distances.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    distances: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.floating]) -> Self:
        """Learn from the pooled features (n, c) of the training tiles."""
        centre = features.mean(0, dtype=np.float64)
        spread = np.maximum(features.std(0, dtype=np.float64), 1e-6)
        distances = np.sqrt((((features - centre) / spread) ** 2).mean(1))
        return cls(centre, spread, np.quantile(distances, np.linspace(0, 1, _QUANTILES)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Self:
        """Read what `to_config` wrote; without it every score is NaN (unknown)."""
        keys = ("centre", "spread", "distances")
        return cls(*(np.asarray(config[k] if config else [], np.float64) for k in keys))

    def to_config(self) -> dict[str, list[float]]:
        return {
            key: [float(f"{v:.6g}") for v in getattr(self, key)]
            for key in ("centre", "spread", "distances")
        }

    def score(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the domain score in [0, 1] of pooled features (n, c)."""
        if self.centre.size == 0:
            return np.full(len(features), np.nan, np.float32)
        distance = np.sqrt((((features - self.centre) / self.spread) ** 2).mean(1))
        shares = np.linspace(0, 1, len(self.distances))
        return np.interp(distance, self.distances, shares).astype(np.float32)
