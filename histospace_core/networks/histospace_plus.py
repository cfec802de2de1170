"""HistoSPACE+: several views of the tissue, two branches of encoders, a few expression programmes.

It keeps the published network's encoders, trained as autoencoders on histology alone. It adds wider
views; expression programmes (principal components of the training expression, which denoise the
targets); a second branch with a frozen encoder, trained on photographs, and ridge regression; and
an average with neighbouring tiles. The two branches make different errors, so their mean is better.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histospace_core.networks.autoencoder import TileEncoder
from histospace_core.networks.foreign_trunk import ForeignTrunk
from histospace_core.networks.lite0_trunk import TRUNK_CHANNELS, Trunk
from histospace_core.networks.neighbours import blend_with_neighbours
from histospace_core.networks.trunk_record import TrunkRecord
from histospace_core.networks.trunks import open_trunk
from histospace_core.slides.view import View

PLUS_VIEWS = (View(64, 1.38), View(64, 2.76), View(64, 5.52), View(64, 11.04), View(64, 22.08))
"""88, 177, 353, 707 and 1413 um around the centre."""
TUNED = (0, 1, 2)
"""Views of the tuned branch."""
FROZEN = (0, 1, 2, 3, 4)
"""Views of the frozen branch."""
SHIFT_UM = 19.3
"""Largest shift of a centre in x and in y in training."""
NEIGHBOURS_UM = 300.0
"""Maximum distance of a neighbour: it includes the eight around a spot of a 200 um lattice.
"""
NEIGHBOURS_SHARE = 1 / 4
"""Weight of the neighbours in a tile's programmes."""
_IN_STORE = "trunk.encoder."
"""Weights of another trunk, which the state of a network lacks."""


class Programmes(nn.Module):
    """A linear map from standardised features to expression programmes.

    Parameters
    ----------
    n_features, n_programmes
        Sizes of input and output.
    """

    def __init__(self, n_features: int, n_programmes: int) -> None:
        super().__init__()
        self.centre: Tensor
        self.spread: Tensor
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))
        self.linear = nn.Linear(n_features, n_programmes)

    def standardised(self, features: Tensor) -> Tensor:
        """Return features (n, f) in units of their spread over the training spots."""
        return (features - self.centre) / self.spread

    def forward(self, features: Tensor) -> Tensor:
        """Return scores (n, k) of features (n, f)."""
        scores: Tensor = self.linear(self.standardised(features))
        return scores


class HistoSPACEPlus(nn.Module):
    """Predict the expression of G genes from five views around a centre (`PLUS_VIEWS`).

    Parameters
    ----------
    n_genes
        G, the size of the panel.
    n_programmes
        k, the number of expression programmes.
    trunk
        `TrunkRecord` of another encoder for the frozen branch, as a package stores it. The state of
        the network then lacks the encoder's weights, which stay in the store.

    Attributes
    ----------
    mean_profile : Tensor, shape (G,)
        Mean expression over the training spots.
    programmes : Tensor, shape (k, G)
        The change of expression per unit of each programme.
    """

    margin_um = SHIFT_UM

    def __init__(
        self, n_genes: int, n_programmes: int = 12, trunk: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.n_genes = n_genes
        self.n_programmes = n_programmes
        self.encoders = nn.ModuleList(TileEncoder() for _ in TUNED)
        self.trunk: Trunk | ForeignTrunk
        if trunk is None:
            self.trunk = Trunk()
        else:
            self.trunk = open_trunk(TrunkRecord.of(trunk))
            self.register_state_dict_post_hook(_without_trunk)
            self.register_load_state_dict_post_hook(_trunk_is_not_missing)
        self.tuned = Programmes(2 * 128 * len(TUNED), n_programmes)
        self.frozen = Programmes(self.trunk.n_features * len(FROZEN), n_programmes)
        self.mean_profile: Tensor
        self.programmes: Tensor
        self.register_buffer("mean_profile", torch.zeros(n_genes))
        self.register_buffer("programmes", torch.zeros(n_programmes, n_genes))

    @property
    def n_tuned(self) -> int:
        """Number of features of the tuned branch, which come first in the result of `encode`."""
        return self.tuned.centre.numel()

    @property
    def foreign(self) -> TrunkRecord | None:
        """Record of the trunk if it is not EfficientNet-lite0."""
        return self.trunk.record if isinstance(self.trunk, ForeignTrunk) else None

    @property
    def n_frozen(self) -> int:
        """Number of features of the frozen branch, which follow in the result of `encode`."""
        return self.frozen.centre.numel()

    def encode_tuned(self, *views: Tensor) -> Tensor:
        """Return mean and maximum of the tuned encoders' features, (n, 768), of `TUNED` views."""
        maps = [encode(v) for encode, v in zip(self.encoders, views, strict=True)]
        return torch.cat([torch.cat([m.mean((2, 3)), m.amax((2, 3))], 1) for m in maps], 1)

    @property
    def lite0(self) -> Trunk:
        """EfficientNet-lite0, which gives maps; a TypeError for another trunk."""
        if isinstance(self.trunk, ForeignTrunk):
            raise TypeError(f"the trunk '{self.trunk.record.name}' gives no maps")
        return self.trunk

    def encode_frozen(self, *views: Tensor) -> Tensor:
        """Return the trunk's features of the `FROZEN` views, (n, 3840) for EfficientNet-lite0."""
        return torch.cat([self.trunk(v) for v in views], 1)

    def encode(self, *views: Tensor) -> Tensor:
        """Return features (n, f) of pixels in [0, 1], each (n, 3, px, px), of `PLUS_VIEWS`."""
        tuned = self.encode_tuned(*(views[i] for i in TUNED))
        features = [tuned, self.encode_frozen(*(views[i] for i in FROZEN))]
        if self.foreign:  # its features do not contain those of the domain score
            features.append(self.pool_views(*views[:2]))
        return torch.cat(features, 1)

    def pool(self, features: Tensor) -> Tensor:
        """Return the features of the domain score, (n, 48).

        These are colour and fine texture (the first means of EfficientNet-lite0) of the two
        narrowest views. They separate tissues, scanners and resolutions; deeper features would also
        separate patients, and those of another trunk would make scores of two models incomparable.
        """
        if self.foreign:
            return features[:, self.n_tuned + self.n_frozen :]
        frozen = features[:, self.n_tuned :].unflatten(1, (len(FROZEN), -1))
        return frozen[:, :2, : TRUNK_CHANNELS[0]].flatten(1)

    def pool_views(self, *views: Tensor) -> Tensor:
        """Return `pool` of `encode` of the two narrowest views alone, (n, 48)."""
        return torch.cat([self.trunk.first_means(v) for v in views], 1)

    def codes(self, features: Tensor) -> Tensor:
        """Return the programmes' scores (n, k) from the features of `encode`."""
        tuned = self.tuned(features[:, : self.n_tuned])
        frozen = self.frozen(features[:, self.n_tuned : self.n_tuned + self.n_frozen])
        return (tuned + frozen) / 2

    def smooth(
        self,
        codes: NDArray[np.float32],
        centres_um: NDArray[np.float64],
        stride_um: float | None = None,
    ) -> NDArray[np.float32]:
        """Return the scores (n, k) of a section's tiles, each averaged with its neighbours.

        Parameters
        ----------
        centres_um
            Tile centres, um, (n, 2).
        stride_um
            Distance of the tiles if they lie on a grid.
        """
        return blend_with_neighbours(codes, centres_um, NEIGHBOURS_UM, NEIGHBOURS_SHARE, stride_um)

    def expression(self, codes: Tensor) -> Tensor:
        """Return expression (n, G) from the programmes' scores (n, k)."""
        return self.mean_profile + codes @ self.programmes  # codes of 0 give the mean profile

    def decode(self, features: Tensor) -> Tensor:
        """Return expression (n, G) from the features of `encode`, without neighbours."""
        return self.expression(self.codes(features))

    def forward(self, *views: Tensor) -> Tensor:
        """Return expression (n, G) of the views' pixels in [0, 1], without neighbours."""
        return self.decode(self.encode(*views))


def _without_trunk(
    network: nn.Module, state: dict[str, Tensor], prefix: str, _: dict[str, Any]
) -> None:
    for key in [k for k in state if k.startswith(f"{prefix}{_IN_STORE}")]:
        del state[key]


def _trunk_is_not_missing(network: nn.Module, keys: Any) -> None:
    keys.missing_keys[:] = [k for k in keys.missing_keys if not k.startswith(_IN_STORE)]
