"""Compute codes from the pixels of a slide, chunk by chunk, on all processors."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from histospace_core.networks import Predictor
from histospace_core.process import usable_cores
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.patches import Windows
from histospace_core.slides.plan import Block, TilePlan
from histospace_core.slides.prefetch import in_order
from histospace_core.slides.tiles import BlockTiles, BlockWindows, cut_block, cut_block_windows
from histospace_core.slides.view import View

Values = NDArray[np.float32]
_Part = TypeVar("_Part")
_Tiles = BlockTiles | BlockWindows


class Batch(Protocol):
    """Tiles that are read and encoded together: a block of a plan, or some spots."""

    @property
    def n_tiles(self) -> int: ...


_Batch = TypeVar("_Batch", bound=Batch)


@dataclass(frozen=True)
class Chunk:
    """Codes and columns of consecutive tiles of a plan.

    Attributes
    ----------
    tiles : slice
        Their indices in the plan.
    codes : float32 array (n, c)
        NaN where a tile cannot be read.
    columns : DataFrame
        `readable`, quality measures and `domain_score`, one row per tile.
    """

    tiles: slice
    codes: Values
    columns: pd.DataFrame


def stream_chunks(
    slide: Slide,
    plan: TilePlan,
    chunks: list[list[Block]],
    predict: Predictor,
    views: tuple[View, ...],
    normalise: Callable[[RGB], RGB],
    on_tiles: Callable[[int], None],
) -> Iterator[Chunk]:
    """Read, normalise and encode some chunks of a plan, in order.

    `on_tiles` is called with the number of tiles of each finished block. A tile's codes do not
    depend on which chunks are requested.
    """

    def read(block: Block) -> BlockTiles | BlockWindows:
        # Quality is measured before, in the slide's own colours.
        if predict.dense:
            return cut_block_windows(slide, plan, block, views).recoloured(normalise)
        return cut_block(slide, plan, block, views[1:]).recoloured(normalise)

    return encode_chunks(chunks, read, predict, on_tiles)


def encode_chunks(
    chunks: list[list[_Batch]],
    read: Callable[[_Batch], BlockTiles | BlockWindows],
    predict: Predictor,
    on_tiles: Callable[[int], None],
) -> Iterator[Chunk]:
    """Read and encode chunks of batches, in order.

    On a CPU each thread reads and encodes a batch by itself, with one thread of arithmetic, so that
    no core waits for another. For a GPU the threads only read; a chunk is encoded as a whole,
    while the next ones are read and copied.
    """

    def encode(batch: _Batch) -> Chunk:
        torch.set_num_threads(1)  # OpenMP keeps this number per thread
        return _encoded(read(batch), predict)

    threads = torch.get_num_threads()
    batches = [batch for chunk in chunks for batch in chunk]
    if predict.on_gpu:
        ready = in_order(read, batches, max(threads, usable_cores()))
        yield from _ahead((_take(chunk, ready, on_tiles) for chunk in chunks), predict)
        return
    try:
        torch.set_num_threads(1)
        done = in_order(encode, batches, threads)
        for chunk in chunks:
            yield _joined(_take(chunk, done, on_tiles))
    finally:
        torch.set_num_threads(threads)


def _take(
    chunk: Sequence[Batch], ready: Iterator[_Part], on_tiles: Callable[[int], None]
) -> list[_Part]:
    """Return the next parts, one for each batch of a chunk."""
    parts = []
    for batch in chunk:
        parts.append(next(ready))
        on_tiles(batch.n_tiles)
    return parts


def _ahead(chunks: Iterable[Sequence[_Tiles]], predict: Predictor) -> Iterator[Chunk]:
    """Encode chunks of consecutive blocks on a GPU."""
    begun: deque[Sequence[_Tiles]] = deque()

    def items() -> Iterator[Sequence[RGB] | Sequence[Windows]]:
        for blocks in chunks:
            begun.append(blocks)
            yield _item(blocks)

    for codes, domain in predict.encode_ahead(items()):
        yield _chunk(begun.popleft(), codes, domain)


def _item(blocks: Sequence[_Tiles]) -> Sequence[RGB] | Sequence[Windows]:
    """Return what the network sees of consecutive blocks together, one element for each view."""
    windows = [b.windows for b in blocks if isinstance(b, BlockWindows)]
    if windows:
        return [Windows.stacked(parts) for parts in zip(*windows, strict=True)]
    tiles = [b.views for b in blocks if isinstance(b, BlockTiles)]
    return [np.concatenate(parts) for parts in zip(*tiles, strict=True)]


def _encoded(block: _Tiles, predict: Predictor) -> Chunk:
    """Encode a block on a CPU."""
    if isinstance(block, BlockWindows):
        return _chunk([block], *predict.encode_windows(block.windows))
    return _chunk([block], *predict.encode(*block.views))


def _chunk(blocks: Sequence[_Tiles], codes: Values, domain: Values) -> Chunk:
    """Return codes and columns of consecutive blocks."""
    readable = np.concatenate([b.readable for b in blocks])
    codes[~readable] = np.nan  # white pixels stood in for them
    quality = pd.concat([pd.DataFrame(b.quality) for b in blocks], ignore_index=True)
    quality.insert(0, "readable", readable)
    quality["domain_score"] = np.where(readable, domain, np.nan).astype(np.float32)
    first = blocks[0].first
    return Chunk(slice(first, first + len(codes)), codes, quality)


def _joined(parts: list[Chunk]) -> Chunk:
    """Return consecutive chunks as one."""
    return Chunk(
        slice(parts[0].tiles.start, parts[-1].tiles.stop),
        np.concatenate([part.codes for part in parts]),
        pd.concat([part.columns for part in parts], ignore_index=True),
    )
