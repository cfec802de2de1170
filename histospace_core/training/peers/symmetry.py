"""The eight symmetries of a square tile; tissue has no preferred orientation."""

import torch
from torch import Tensor

N_SYMMETRIES = 8


def symmetric(pixels: Tensor, k: int) -> Tensor:
    """Turn pixels (n, c, s, s) by `k` % 4 quarters; from `k` = 4 on, mirror them first."""
    mirrored = pixels.flip(-1) if k >= N_SYMMETRIES // 2 else pixels
    return torch.rot90(mirrored, k % 4, (-2, -1))


def randomly_oriented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Turn and mirror each tile of (n, c, s, s) at random."""
    symmetries = torch.randint(N_SYMMETRIES, (len(pixels),), generator=generator)
    oriented = torch.empty_like(pixels)
    for k in symmetries.unique().tolist():
        which = (symmetries == k).to(pixels.device)
        oriented[which] = symmetric(pixels[which], k)
    return oriented
