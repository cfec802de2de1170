"""Faster forms of the networks that agree with the plain one.

An encoder takes uint8 tiles (n, px, px, 3), one array per view. It returns codes (n, c), the
low-dimensional output from which a last linear layer computes the genes, and the features (n, f) of
the domain score. `PlainEncoder` is the reference. The others may round, so a caller must compare
them with the reference first (`networks/predictor.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from histospace_core.networks.autoencoder import to_pixels
from histospace_core.networks.histospace import HistoSPACE
from histospace_core.networks.histospace_plus import FROZEN, TUNED, HistoSPACEPlus, Trunk
from histospace_core.networks.onednn import (
    FusedConv,
    Grid,
    Int8Conv,
    fold,
    has_bf16,
    has_int8,
    int8_stack,
    pool,
)
from histospace_core.networks.package import Network

EXACT_BLOCKS = 2


class Encoder(Protocol):
    """From tiles of each view to codes and domain features; `name` states the arithmetic."""

    name: str

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]: ...


class PlainEncoder:
    """The network as trained, in fp32: the reference."""

    name = "fp32"

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        features = self._network.encode(*(to_pixels(view) for view in views))
        return self._network.codes(features), self._network.pool(features)


class CompiledEncoder:
    """The network in bf16, compiled for the GPU, with the conversion from uint8 fused in."""

    name = "bf16, compiled"

    def __init__(self, network: Network) -> None:
        # dynamic=False: Predictor pads every batch to one shape.
        self._run: Callable[..., Any] = torch.compile(PlainEncoder(network).__call__, dynamic=False)

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cuda", torch.bfloat16):
            codes, pooled = self._run(*views)
        return codes.float(), pooled.float()  # NumPy has no bf16


class Int8HistoSPACE:
    """The published network with its four convolutions in 8-bit integers.

    Parameters
    ----------
    network
    sample
        Tiles (n, 128, 128, 3), uint8, that the network will see, to measure activations on.
    """

    name = "int8"

    def __init__(self, network: HistoSPACE, sample: Tensor) -> None:
        layers = [*_folded(network.encoder), *_folded(network.head[:4])]
        symmetric = network.input_range == "symmetric"
        # A zero point is a whole number: the exact one is 127.5.
        input_grid = Grid(2 / 255, 128) if symmetric else Grid(1 / 255)
        # The bytes of the pixels are the first layer's input, unconverted.
        self._convs = int8_stack(layers, _maps(sample), input_grid, real_last=True)
        first: Any = network.head[5]
        # the plain network flattens (c, h, w), these maps are (h, w, c)
        weight = first.weight.detach().unflatten(1, (128, 8, 8)).permute(0, 2, 3, 1)
        self._weight, self._bias = weight.flatten(1).contiguous(), first.bias.detach()

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        maps = _maps(views[0])
        *encoder, head = self._convs
        for conv in encoder:
            maps = pool(conv(maps))
        pooled = _mean(maps, encoder[-1])
        flat = pool(head(maps)).permute(0, 2, 3, 1).flatten(1)
        return linear(flat, self._weight, self._bias), pooled


class FusedHistoSPACEPlus:
    """HistoSPACE+ with its tuned encoders in 8-bit integers and most of its trunk in bf16, fused.

    Parameters
    ----------
    network
    *sample
        Tiles, uint8, that the network will see, one tensor per view.
    """

    name = "int8, fp32 and bf16"
    batch = 16

    def __init__(self, network: HistoSPACEPlus, *sample: Tensor) -> None:
        self._network = network
        self._encoders = [
            int8_stack(_folded(encoder), _maps(sample[i]), Grid(1 / 255), real_last=False)
            for i, encoder in zip(TUNED, network.encoders, strict=True)
        ]
        self._trunk = FusedTrunk(network.trunk)

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        n = len(views[0])
        # always this batch size, because the weights are laid out for it
        # pad counts from the last axis, so the eighth number extends the first
        padded = (pad(view, (0,) * 7 + (-n % self.batch,)) for view in views)
        batches = zip(*(view.split(self.batch) for view in padded), strict=True)
        features = torch.cat([self._features(*batch) for batch in batches])[:n]
        return self._network.codes(features), self._network.pool(features)

    def _features(self, *views: Tensor) -> Tensor:
        maps = [_maps(view) for view in views]
        tuned = [self._tuned(i, maps[v]) for i, v in enumerate(TUNED)]
        frozen = self._trunk(torch.cat([maps[i] for i in FROZEN])).chunk(len(FROZEN))
        return torch.cat([*tuned, *frozen], 1)

    def _tuned(self, i: int, maps: Tensor) -> Tensor:
        for conv in self._encoders[i]:
            maps = pool(conv(maps))
        last = self._encoders[i][-1]
        # Bytes keep the order of the real numbers, so only the maxima are converted.
        most = maps.permute(0, 2, 3, 1).flatten(1, 2).amax(1)
        return torch.cat([_mean(maps, last), _real(most, last)], 1)


class FusedTrunk:
    """The trunk with batch norm and activation fused into its convolutions.

    Its first two blocks stay in fp32, because the domain score depends on small differences there.
    """

    def __init__(self, trunk: Trunk) -> None:
        later = torch.bfloat16 if has_bf16() else torch.float32
        conv, norm = cast("tuple[Any, Any]", tuple(trunk.stem))
        self._dtypes = [later if i >= EXACT_BLOCKS else torch.float32 for i in range(7)]
        self._stem = FusedConv(conv, norm, torch.float32)
        self._blocks = [
            [_block(block, dtype) for block in blocks]
            for blocks, dtype in zip(trunk.blocks, self._dtypes, strict=True)
        ]

    def __call__(self, maps: Tensor) -> Tensor:
        x = self._stem((maps.float() - 127) / 128)
        means = []
        for i, blocks in enumerate(self._blocks):
            x = x.to(self._dtypes[i])
            for convs, skips in blocks:
                y = x
                for conv in convs:
                    y = conv(y)
                x = x + y if skips else y
            if i:
                means.append(x.float().mean((2, 3)))
        return torch.cat(means, 1)


def _block(block: Any, dtype: torch.dtype) -> tuple[list[FusedConv], bool]:
    """Return the convolutions of an EfficientNet block, and whether it has a skip connection."""
    inverted = hasattr(block, "conv_pwl")
    names = ("conv_pw", "conv_dw", "conv_pwl") if inverted else ("conv_dw", "conv_pw")
    convs = [
        FusedConv(getattr(block, conv), getattr(block, f"bn{i}"), dtype)
        for i, conv in enumerate(names, 1)
    ]
    return convs, block.has_skip


def fast_encoders(
    network: Network, sample: list[Tensor], device: torch.device
) -> Iterator[Encoder]:
    """Yield the faster forms of a network that this machine can run, the fastest first."""
    if device.type == "cuda":
        yield CompiledEncoder(network)
    elif not has_int8():
        return
    elif isinstance(network, HistoSPACE):
        yield Int8HistoSPACE(network, *sample)
    elif isinstance(network, HistoSPACEPlus):
        yield FusedHistoSPACEPlus(network, *sample)


def _folded(layers: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution of a stack of conv, batch norm, ReLU, pool."""
    parts: list[Any] = list(layers.children())
    return [fold(conv, norm) for conv, norm in zip(parts[::4], parts[1::4], strict=True)]


def _maps(view: Tensor) -> Tensor:
    """Return tiles (n, h, w, 3) as maps (n, 3, h, w), channels last, without a copy."""
    return view.permute(0, 3, 1, 2)


def _real(values: Tensor, conv: Int8Conv) -> Tensor:
    if conv.output_grid is None:
        raise ValueError("the layer gives real numbers already")
    return conv.output_grid.real(values)


def _mean(maps: Tensor, conv: Int8Conv) -> Tensor:
    """Return the means (n, c) of a layer's 8-bit output, as real numbers."""
    return _real(maps.float().mean((2, 3)), conv)
