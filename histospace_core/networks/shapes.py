"""The few sizes of batches that a GPU computes: a compiler compiles for each of them."""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import pad

SHAPES = (128, 1024)
"""Batches, filled up where fewer tiles or patches are left."""


def pieces(n: int, most: int) -> Iterator[tuple[slice, int]]:
    """Yield the rows of each batch of `n`, and the size to which it is filled up.

    Parameters
    ----------
    n
        Number of tiles or patches.
    most
        Maximum size of a batch.
    """
    sizes = [shape for shape in SHAPES if shape <= most] or [most]
    start = 0
    while start < n:
        # a large batch that would be less than half full gives way to smaller ones
        size = max((s for s in sizes if s < 2 * (n - start)), default=sizes[0])
        yield slice(start, min(n, start + size)), size
        start += size


def fill(tiles: Tensor, size: int) -> Tensor:
    """Return tiles (n, h, w, 3) filled up to `size` with black ones."""
    return pad(tiles, (0, 0, 0, 0, 0, 0, 0, size - len(tiles)))
