"""HistoSPACE+ over a slide: each patch is computed once, and tiles pool its maps over windows.

The networks see patches as they see views in training. Means over a window are linear, so a patch
keeps only what its cells add to the programmes' scores: a few numbers a cell instead of thousands
of features. Maxima are not linear and are kept as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histospace_core.networks.autoencoder import to_pixels
from histospace_core.networks.device_pooling import Windowed
from histospace_core.networks.histospace_plus import TUNED, HistoSPACEPlus
from histospace_core.networks.lite0_trunk import TRUNK_CHANNELS, Trunk
from histospace_core.networks.shapes import fill, pieces
from histospace_core.slides.patches import CELLS, Windows
from histospace_core.slides.pooling import window_maxima, window_means

Values = NDArray[np.float32]

TEXTURED = (0, 1)
"""Views whose first trunk block the domain score uses."""


@dataclass(frozen=True)
class PatchMaps:
    """What the cells of some patches add to the tiles that see them.

    Attributes
    ----------
    scores : Tensor (m, k, 8, 8)
        Programmes' scores.
    texture : Tensor (m, 24, 8, 8), optional
        Features of the domain score, in the views `TEXTURED`.
    peaks : Tensor (m, 128, 8, 8), optional
        Features whose maximum counts, in the views `TUNED`.
    """

    scores: Tensor
    texture: Tensor | None
    peaks: Tensor | None

    def first(self, n: int) -> "PatchMaps":
        """Return the maps of the first `n` patches."""
        texture = None if self.texture is None else self.texture[:n]
        return PatchMaps(self.scores[:n], texture, None if self.peaks is None else self.peaks[:n])


class PatchForm(Protocol):
    """From patches (m, 64, 64, 3), uint8, of view `i` to maps; `name` states the arithmetic."""

    name: str

    def __call__(self, i: int, patches: Tensor) -> PatchMaps: ...


class Weights:
    """The last linear maps of HistoSPACE+, divided among views and blocks.

    Attributes
    ----------
    bias : Tensor (k,)
    means, peaks : list of Tensor
        Of the tuned features of each view of `TUNED`: (k, 128).
    blocks : list of list of Tensor
        Of the trunk's blocks, for each view: (k, c).
    """

    def __init__(self, network: HistoSPACEPlus) -> None:
        tuned, frozen = network.tuned, network.frozen
        both = [(b.linear.weight / b.spread).detach() for b in (tuned, frozen)]
        offsets = [
            b.linear.bias.detach() - w @ b.centre
            for b, w in zip((tuned, frozen), both, strict=True)
        ]
        # the network takes the mean of its two branches
        of_tuned, of_frozen = (w / 2 for w in both)
        self.bias = (offsets[0] + offsets[1]) / 2
        parts = of_tuned.split(of_tuned.shape[1] // (2 * len(TUNED)), 1)
        self.means, self.peaks = list(parts[::2]), list(parts[1::2])
        self.blocks = [
            list(view.split(TRUNK_CHANNELS, 1)) for view in of_frozen.split(sum(TRUNK_CHANNELS), 1)
        ]

    def scores(self, i: int, blocks: Sequence[Tensor], tuned: Tensor | None) -> Tensor:
        """Return the scores of cells (m, k, 8, 8) from the maps of view `i`.

        Parameters
        ----------
        blocks
            Maps of the trunk's blocks 2 to 7, (m, c, s, s) with s from 16 to 2.
        tuned
            Map of the tuned encoder (m, 128, 8, 8), if the view has one.
        """
        return _scores(blocks, self.blocks[i], tuned, self.means[i] if tuned is not None else None)


def shrunk(maps: Tensor) -> Tensor:
    """Return maps (m, c, s, s) that have no more places than cells, each the mean of its cell."""
    finer = maps.shape[-1] // CELLS
    return maps if finer <= 1 else torch.nn.functional.avg_pool2d(maps, finer)


def in_cells(maps: Tensor) -> Tensor:
    """Return maps (m, c, s, s) with s <= 8 repeated to (m, c, 8, 8)."""
    wider = CELLS // maps.shape[-1]
    return maps.repeat_interleave(wider, 2).repeat_interleave(wider, 3) if wider > 1 else maps


class PlainMaps:
    """The networks as trained, in fp32: the reference.

    Under autocast, the blocks of the domain score keep fp32: it depends on small differences.
    """

    name = "fp32"

    def __init__(self, network: HistoSPACEPlus) -> None:
        self._trunk, self._encoders = network.lite0, network.encoders
        self._weights = Weights(network)
        self._maps: Callable[..., tuple[Tensor, Tensor, Tensor | None]] = patch_maps

    def __call__(self, i: int, patches: Tensor) -> PatchMaps:
        weights = self._weights
        encoder, means = (self._encoders[i], weights.means[i]) if i in TUNED else (None, None)
        scores, texture, tuned = self._maps(self._trunk, encoder, weights.blocks[i], means, patches)
        return PatchMaps(scores, texture if i in TEXTURED else None, tuned)


def patch_maps(
    trunk: Trunk,
    encoder: torch.nn.Module | None,
    weights: Sequence[Tensor],
    means: Tensor | None,
    patches: Tensor,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return scores, texture and the tuned encoder's map of patches (m, 64, 64, 3), uint8.

    The weights of a view are arguments, so that a compiler compiles once for several views.
    """
    pixels = to_pixels(patches)
    with torch.autocast(pixels.device.type, enabled=False):
        second = trunk.second_map(pixels)
    blocks = [second, *trunk.later_maps(second)]
    tuned = None if encoder is None else encoder(pixels).float()
    with torch.autocast(pixels.device.type, enabled=False):
        scores = _scores([block.float() for block in blocks], weights, tuned, means)
    return scores, shrunk(second), tuned


def _scores(
    blocks: Sequence[Tensor],
    weights: Sequence[Tensor],
    tuned: Tensor | None,
    means: Tensor | None,
) -> Tensor:
    total = sum(
        in_cells(torch.einsum("nchw,kc->nkhw", shrunk(block), weight))
        for block, weight in zip(blocks, weights, strict=True)
    )
    assert isinstance(total, Tensor)
    if tuned is not None:
        total = total + torch.einsum("nchw,kc->nkhw", tuned, means)
    return total


class DenseEncoder:
    """From windows or views to codes (n, k) and features of the domain score (n, 48).

    Parameters
    ----------
    network
    maps
        The form of the networks that computes patches.
    """

    def __init__(self, network: HistoSPACEPlus, maps: PatchForm) -> None:
        self._maps, self._weights = maps, Weights(network)
        self.name = maps.name

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        """Encode views (n, 64, 64, 3): windows that are patches themselves."""
        codes, textures = self._weights.bias, []
        for i, view in enumerate(views):
            maps = self._maps(i, view)
            codes = codes + maps.scores.mean((2, 3))
            if maps.peaks is not None:
                codes = codes + maps.peaks.amax((2, 3)) @ self._weights.peaks[i].T
            if maps.texture is not None:
                textures.append(maps.texture.mean((2, 3)))
        return codes, torch.cat(textures, 1)

    def windows(
        self, views: Sequence[Windows], device: torch.device, batch: int
    ) -> tuple[Values, Values]:
        """Encode some centres' windows, one set for each view, `batch` patches at a time."""
        codes = np.zeros((len(views[0].corners), len(self._weights.bias)))
        codes += self._weights.bias.cpu().numpy()
        textures = []
        for i, seen in enumerate(views):
            parts = [
                self._maps(i, torch.from_numpy(part).to(device))
                for part in np.split(seen.patches, range(batch, len(seen.patches), batch))
            ]
            scores = _joined([p.scores for p in parts])
            if seen.cells == 1:  # patches overlap, and their values are not divided further
                scores = scores.mean((2, 3), keepdims=True)
            codes += window_means(scores, seen)
            if parts[0].peaks is not None:
                most = window_maxima(_joined([p.peaks for p in parts]), seen)
                codes += most @ self._weights.peaks[i].T.cpu().numpy()
            if parts[0].texture is not None:
                textures.append(window_means(_joined([p.texture for p in parts]), seen))
        return codes.astype(np.float32), np.concatenate(textures, 1).astype(np.float32)

    def windows_on(
        self, views: Sequence[Windows], arrays: Sequence[Tensor], batch: int
    ) -> tuple[Tensor, Tensor]:
        """Encode windows as `windows` does, without a result leaving the device.

        Parameters
        ----------
        arrays
            What `arrays_of` returns for the same windows, on the device.
        batch
            Maximum number of patches at a time.
        """
        codes, textures = self._weights.bias.double(), []
        for i, seen in enumerate(views):
            patches, places, corners = arrays[3 * i : 3 * i + 3]
            parts = [
                self._maps(i, fill(patches[rows], size)).first(rows.stop - rows.start)
                for rows, size in pieces(len(patches), batch)
            ]
            windowed = Windowed(places, corners, seen.shape, seen.cells)
            scores = torch.cat([p.scores for p in parts])
            if seen.cells == 1:
                scores = scores.mean((2, 3), keepdim=True)
            codes = codes + windowed.means(scores)
            if parts[0].peaks is not None:
                most = windowed.maxima(_cat([p.peaks for p in parts]))
                codes = codes + most @ self._weights.peaks[i].T
            if parts[0].texture is not None:
                textures.append(windowed.means(_cat([p.texture for p in parts])))
        return codes.float(), torch.cat(textures, 1).float()


def arrays_of(views: Sequence[Windows]) -> list[NDArray[Any]]:
    """Return what a device needs of some centres' windows, one set for each view."""
    return [array for seen in views for array in (seen.patches, seen.places, seen.corners)]


def _cat(parts: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([part for part in parts if part is not None])


def _joined(parts: Sequence[Tensor | None]) -> Values:
    return (parts[0] if len(parts) == 1 and parts[0] is not None else _cat(parts)).cpu().numpy()
