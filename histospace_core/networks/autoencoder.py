"""The published HistoSPACE autoencoder: an image representation learned from histology alone.

Source: Kumar & Chatterjee 2024, Methods, doi:10.1016/j.ymeth.2024.11.002.
"""

from typing import Literal

import torch
from torch import Tensor, nn

InputRange = Literal["unit", "symmetric"]
ENCODER_CHANNELS = (32, 64, 128)


class TileEncoder(nn.Sequential):
    """Three times conv 3x3, batch norm, ReLU, max-pool 2: (n, 3, s, s) to (n, 128, s/8, s/8)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        c_in = 3
        for c_out in ENCODER_CHANNELS:
            layers += [
                nn.Conv2d(c_in, c_out, kernel_size=3, padding=1),
                nn.BatchNorm2d(c_out),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            c_in = c_out
        super().__init__(*layers)


class TileDecoder(nn.Sequential):
    """Three transposed conv 4x4 of stride 2 (64, 32, 3 channels), sigmoid last."""

    def __init__(self) -> None:
        super().__init__(
            nn.ConvTranspose2d(128, 64, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(32, 3, kernel_size=4, stride=2, padding=1),
            nn.Sigmoid(),
        )


class Autoencoder(nn.Module):
    """Encoder and decoder, trained to reconstruct the tile (mean squared error).

    Parameters
    ----------
    input_range
        "unit" uses pixels in [0, 1], which the sigmoid can reconstruct. "symmetric" is the authors'
        release: pixels in [-1, 1], whose negative half a sigmoid cannot reach.
    """

    def __init__(self, input_range: InputRange = "unit") -> None:
        super().__init__()
        self.input_range = input_range
        self.encoder = TileEncoder()
        self.decoder = TileDecoder()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstructed tile and its target, both (n, 3, s, s).

        `pixels` are in [0, 1].
        """
        target = scale_pixels(pixels, self.input_range)
        return self.decoder(self.encoder(target)), target


def scale_pixels(pixels: Tensor, input_range: InputRange) -> Tensor:
    """Scale pixels in [0, 1] to the range that the encoder was trained with."""
    return pixels if input_range == "unit" else pixels * 2 - 1


def to_pixels(tiles: Tensor) -> Tensor:
    """Convert uint8 tiles (n, h, w, 3) to float pixels (n, 3, h, w) in [0, 1], channels last."""
    return tiles.permute(0, 3, 1, 2).to(torch.float32).div(255)
