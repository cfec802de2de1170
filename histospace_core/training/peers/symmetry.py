"""The eight ways to lay a square tile: tissue has no up or down."""

import torch
from torch import Tensor

N_SYMMETRIES = 8


def symmetric(pixels: Tensor, k: int) -> Tensor:
    """Turn pixels (n, c, s, s) by `k` % 4 quarters, mirrored first from `k` = 4 on; 0 is as is."""
    mirrored = pixels.flip(-1) if k >= N_SYMMETRIES // 2 else pixels
    return torch.rot90(mirrored, k % 4, (-2, -1))


def drawn(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Lay each tile of (n, c, s, s) in a way of its own."""
    ways = torch.randint(N_SYMMETRIES, (len(pixels),), generator=generator)
    laid = torch.empty_like(pixels)
    for k in ways.unique().tolist():
        which = (ways == k).to(pixels.device)
        laid[which] = symmetric(pixels[which], k)
    return laid
