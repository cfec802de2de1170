"""EfficientNet-lite0 as the trunk of HistoSPACE+, whose weights a model package holds."""

from typing import Self

import torch
from torch import Tensor, nn

from histospace_core.networks.lite0 import lite0_blocks, lite0_stem

TRUNK_CHANNELS = (24, 40, 80, 112, 192, 320)


class FirstBlocks(nn.Module):
    """The first blocks of EfficientNet-lite0 (Liu 2020), frozen: colour and fine texture.

    Parameters
    ----------
    n_blocks
        Number of blocks, 2 to 7.
    """

    def __init__(self, n_blocks: int = 2) -> None:
        super().__init__()
        self.stem, self.blocks = lite0_stem(), lite0_blocks(n_blocks)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, with the batch statistics of its own training."""
        return super().train(False)

    def first_means(self, pixels: Tensor) -> Tensor:
        """Return the means of block 2 alone, (n, 24), of a view (n, 3, s, s) in [0, 1]."""
        return self.second_map(pixels).float().mean((2, 3))  # averaged in fp32 under autocast too

    def second_map(self, pixels: Tensor) -> Tensor:
        """Return the map of block 2 of pixels (n, 3, s, s) in [0, 1]."""
        x = self.stem((pixels * 255 - 127) / 128)  # the scale that lite0 was trained with
        return self.blocks[1](self.blocks[0](x))


class Trunk(FirstBlocks):
    """All blocks of EfficientNet-lite0 (Liu 2020), frozen, each averaged over the view.

    A view (n, 3, s, s) in [0, 1] becomes (n, 768): the means of blocks 2 to 7.
    """

    n_features = sum(TRUNK_CHANNELS)

    def __init__(self) -> None:
        super().__init__(len(TRUNK_CHANNELS) + 1)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of blocks 2 to 7 of pixels (n, 3, s, s) in [0, 1]."""
        second = self.second_map(pixels)
        return [second, *self.later_maps(second)]

    def later_maps(self, second: Tensor) -> list[Tensor]:
        """Return the maps of blocks 3 to 7 from that of block 2."""
        x, maps = second, []
        for block in self.blocks[2:]:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat([m.float().mean((2, 3)) for m in self.maps(pixels)], 1)
