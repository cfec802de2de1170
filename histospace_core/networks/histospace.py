"""The published HistoSPACE predictor: a frozen histology encoder and a small regression head.

Source: Kumar & Chatterjee 2024, Methods, doi:10.1016/j.ymeth.2024.11.002. It has
2,338,944 + 257 G parameters for G genes.
"""

import torch
from torch import Tensor, nn

from histospace_core.networks.autoencoder import InputRange, TileEncoder, scale_pixels

TILE_PX = 128
UM_PER_PX = 0.69  # makes a tile 88 um wide: as large as the disc of a 100 um spot


class HistoSPACE(nn.Module):
    """Predict the expression of G genes from one tile of 128 x 128 px at about 0.69 um/px.

    Parameters
    ----------
    n_genes
        G, the size of the panel.
    input_range
        Pixel range that the encoder was pretrained with, see `Autoencoder`.

    Attributes
    ----------
    mean_profile : Tensor, shape (G,)
        Mean expression over the training spots. It is saved with the weights, so that every score
        can be reported beside that of the mean profile.
    """

    margin_um = 0.0

    def __init__(self, n_genes: int, input_range: InputRange = "unit") -> None:
        super().__init__()
        self.n_genes = n_genes
        self.input_range: InputRange = input_range
        self.encoder = TileEncoder()
        self.head = nn.Sequential(
            nn.Conv2d(128, 128, kernel_size=3, padding=1),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
            # No activation follows, as published; 16 is for the four max-pools.
            nn.Linear(128 * (TILE_PX // 16) ** 2, 256),
            nn.Linear(256, n_genes),
        )
        self.mean_profile: Tensor
        self.register_buffer("mean_profile", torch.zeros(n_genes))

    def encode(self, pixels: Tensor) -> Tensor:
        """Return the encoder's features (n, 128, 16, 16) of pixels (n, 3, 128, 128) in [0, 1]."""
        return self.encoder(scale_pixels(pixels, self.input_range))

    def pool(self, features: Tensor) -> Tensor:
        """Return the features of the domain score, (n, 128)."""
        return features.mean((2, 3))

    def codes(self, features: Tensor) -> Tensor:
        """Return the codes (n, 256): the output of the last layer before the genes."""
        return self.head[:-1](features)

    def expression(self, codes: Tensor) -> Tensor:
        """Return expression (n, G) from codes."""
        return self.head[-1](codes)

    def decode(self, features: Tensor) -> Tensor:
        """Return expression (n, G) from the encoder's features."""
        return self.expression(self.codes(features))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return expression (n, G) of pixels (n, 3, 128, 128) in [0, 1]."""
        return self.decode(self.encode(pixels))


def n_parameters(network: nn.Module) -> int:
    """Count all parameters, frozen ones included."""
    return sum(p.numel() for p in network.parameters())
