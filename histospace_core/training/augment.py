"""Augmentations that do not change the expression: shifted centres, symmetries, stain strength.

Data stay on the device as uint8. Random numbers come from a separate generator, so that an epoch
is the same whether one process computes it or several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_BIAS = 0.5  # strength of the offset common to all pixels, relative to the gain's


@dataclass(frozen=True)
class Draw:
    """The augmentation of each sample of a batch.

    Attributes
    ----------
    shift : float (n, 2)
        Shift of the centre in x and y, as a fraction of the margin, in [-1, 1].
    symmetry : int
        0 to 3: quarter turns; 4 to 7: the same, mirrored. One for the whole batch.
    gain, bias : float (n, 3, 1, 1)
        Factor and offset of the optical density of each channel.
    """

    shift: Tensor
    symmetry: int
    gain: Tensor
    bias: Tensor

    @classmethod
    def random(cls, n: int, generator: torch.Generator, colour: float) -> "Draw":
        """Draw the augmentation of a batch of n samples."""
        return cls(
            torch.rand(n, 2, generator=generator) * 2 - 1,
            int(torch.randint(0, 8, (1,), generator=generator)),
            1 + colour * torch.randn(n, 3, 1, 1, generator=generator),
            _BIAS * colour * torch.randn(n, 3, 1, 1, generator=generator),
        )

    @classmethod
    def none(cls, n: int, symmetry: int = 0, shift: tuple[float, float] = (0.0, 0.0)) -> "Draw":
        """Return an augmentation with this symmetry and shift and an unchanged stain."""
        return cls(
            torch.tensor([shift]).expand(n, 2),
            symmetry,
            torch.ones(n, 3, 1, 1),
            torch.zeros(n, 3, 1, 1),
        )

    def part(self, rows: slice) -> "Draw":
        """Return the augmentation of some of the samples."""
        return Draw(self.shift[rows], self.symmetry, self.gain[rows], self.bias[rows])


def augmented(
    views: Sequence[Tensor], margins: Sequence[int], rows: Tensor, draw: Draw
) -> list[Tensor]:
    """Return augmented pixels of some spots: float (n, 3, px, px) in [0, 1] for each view.

    Parameters
    ----------
    views
        uint8 (spots, px + 2 margin, px + 2 margin, 3), on the device.
    margins
        Margin of each view, px.
    rows
        Indices of the spots, (n,).
    """
    return [_one(v, m, rows, draw) for v, m in zip(views, margins, strict=True)]


def _one(view: Tensor, margin: int, rows: Tensor, draw: Draw) -> Tensor:
    device, px = view.device, view.shape[1] - 2 * margin
    # a margin is the same distance in um in every view, so all views shift alike
    corner = (draw.shift * margin).round().long().to(device) + margin
    along = torch.arange(px, device=device)
    x = corner[:, 0, None] + along
    y = corner[:, 1, None] + along
    tiles = view[rows.to(device)[:, None, None], y[:, :, None], x[:, None, :]]
    pixels = tiles.permute(0, 3, 1, 2).float().div(255)
    # an unchanged stain skips the way to density and back, which would round the pixels
    if not bool((draw.gain == 1).all()):
        density = -torch.log(pixels.clamp_min(1 / 255))  # black has no finite density
        level = density.mean((2, 3), keepdim=True)
        density = density * draw.gain.to(device) + level * draw.bias.to(device)
        pixels = torch.exp(-density).clamp(0, 1)
    pixels = torch.rot90(pixels, draw.symmetry % 4, (2, 3))
    if draw.symmetry > 3:
        pixels = pixels.flip(3)
    return pixels.contiguous(memory_format=torch.channels_last)
