"""Stacks of convolutions in 8-bit integers, as graphs of OpenVINO.

They follow Jacob et al. 2018 (doi 10.1109/CVPR.2018.00286): weights are rounded per channel;
activations have one step per layer, measured on sample tiles. The bias corrects the mean shift that
rounding causes on those tiles (Nagel et al. 2019, doi 10.1109/ICCV.2019.00141).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, relu

from histospace_core.networks.openvino_graph import (
    BATCH,
    Compiled,
    number,
    openvino,
    operations,
    to_maps,
)

WEIGHT_STEPS = (127, 63)
"""Steps on each side of 0 that weights may use.

Processors without VNNI add two products of bytes in 16 bits. Weights of 8 bits overflow there,
those of 7 bits do not.
"""
_BYTE = 255


@dataclass(frozen=True)
class Int8Layer:
    """A 3x3 convolution and ReLU whose weights and input are rounded.

    Attributes
    ----------
    weight, bias
        Of the folded convolution, (out, in, 3, 3) and (out,), not yet rounded.
    highest : float
        Largest output, for which the last step stands; None if the output is not rounded.
    steps : int
        One of `WEIGHT_STEPS`.
    """

    weight: Tensor
    bias: Tensor
    highest: float | None
    steps: int

    def before_activation(self, maps: Tensor) -> Tensor:
        """Return what the rounded layer computes of a rounded input, before the ReLU."""
        step = (self._largest / self.steps)[:, None, None, None]
        return conv2d(maps, torch.round(self.weight / step) * step, self.bias, padding=1)

    def rounded(self, maps: Tensor) -> Tensor:
        """Return an output (n, c, h, w) rounded to the layer's steps."""
        if self.highest is None:
            return maps
        step = self.highest / _BYTE
        return torch.round(maps.clamp(0, self.highest) / step) * step

    @property
    def _largest(self) -> Tensor:
        return self.weight.abs().amax((1, 2, 3)).clamp_min(1e-12)

    def add_to(self, x: Any) -> Any:
        """Add the layer to a graph."""
        ops = operations()
        # The type goes further than the weights.
        reach = WEIGHT_STEPS[0] / self.steps
        most = (self._largest * reach).reshape(-1, 1, 1, 1).numpy()
        weight = ops.fake_quantize(
            ops.constant(self.weight.numpy()), -most, most, -most, most, 2 * WEIGHT_STEPS[0] + 1
        )
        y = ops.convolution(x, weight, [1, 1], [1, 1], [1, 1], [1, 1])
        y = ops.relu(y + self.bias.numpy().reshape(1, -1, 1, 1))
        return y if self.highest is None else _in_bytes(y, 0, self.highest)


def int8_layers(
    layers: Sequence[tuple[Tensor, Tensor]],
    sample: Tensor,
    steps: int,
    zero: float = 0.0,
    *,
    real_last: bool,
) -> tuple[list[Int8Layer], Tensor]:
    """Round a stack of 3x3 convolutions, each with ReLU and max-pool 2.

    Also return what it computes of the sample, without overflow.

    Parameters
    ----------
    layers
        Weight and bias of each convolution. The first takes pixels of 0 to 255, less `zero`.
    sample
        Pixels (n, 3, h, w), uint8, like those that the stack will see.
    steps
        One of `WEIGHT_STEPS`.
    zero
        Pixel that counts as 0; it is rounded up.
    real_last
        Whether the last layer returns real numbers instead of rounded ones.
    """
    stack: list[Int8Layer] = []
    exact, rounded = sample.float() - zero, sample.float() - math.ceil(zero)
    for i, (weight, bias) in enumerate(layers):
        wanted = conv2d(exact, weight, bias, padding=1)
        last = real_last and i == len(layers) - 1
        layer = Int8Layer(weight, bias, None if last else max(float(wanted.amax()), 1e-6), steps)
        # Measured on the rounded input, so that it also corrects the shift of the layers before.
        found = layer.before_activation(rounded)
        shift = wanted.mean((0, 2, 3)) - found.mean((0, 2, 3))
        stack.append(replace(layer, bias=bias + shift))
        found += shift[:, None, None]
        exact = max_pool2d(relu(wanted), 2)
        rounded = max_pool2d(layer.rounded(relu(found)), 2)
    return stack, rounded


@lru_cache
def weight_steps() -> int:
    """Return the most of `WEIGHT_STEPS` whose products this processor adds without overflow.

    Measured with the largest pixels and weights, whose sums overflow first.
    """
    most, fewer = WEIGHT_STEPS
    layers = [(torch.full((16, n, 3, 3), 1 / (9 * n)), torch.zeros(16)) for n in (3, 16)]
    pixels = torch.full((BATCH, 3, 8, 8), _BYTE, dtype=torch.uint8)
    stack, expected = int8_layers(layers, pixels, most, real_last=False)
    found = Compiled(encoder_graph(stack, 8), "f32", threads=1).on(pixels.permute(0, 2, 3, 1))[0]
    return most if torch.allclose(found, expected, rtol=0.01) else fewer


def encoder_graph(layers: Sequence[Int8Layer], side: int) -> Any:
    """Return the graph from tiles (n, side, side, 3), uint8, to a rounded encoder's map."""
    tiles = operations().parameter([BATCH, side, side, 3], np.uint8)
    return openvino().Model([_stack(_in_bytes(to_maps(tiles), 0, _BYTE), layers)], [tiles])


def published_graph(
    layers: Sequence[Int8Layer],
    first: tuple[NDArray[np.float32], NDArray[np.float32]],
    side: int,
    zero: float = 0.0,
) -> Any:
    """Return the graph of the published network.

    Parameters
    ----------
    layers
        The three of the encoder, then the one of the head.
    first
        Weight (256, f) and bias of the head's first linear layer.
    zero
        As for `int8_layers`.

    Returns
    -------
    openvino.Model
        From tiles (n, side, side, 3), uint8, to codes (n, 256) and the encoder's means (n, 128).
    """
    ops = operations()
    tiles = ops.parameter([BATCH, side, side, 3], np.uint8)
    *encoder, head = layers
    offset = math.ceil(zero)
    pixels = _in_bytes(to_maps(tiles) - number(offset), -offset, _BYTE - offset)
    features = _stack(pixels, encoder)
    pooled = ops.reduce_mean(features, np.array([2, 3]), False)
    flat = ops.reshape(_stack(features, [head]), np.array([BATCH, -1]), False)
    weight, bias = first
    codes = ops.matmul(flat, weight, False, True) + bias
    return openvino().Model([codes, pooled], [tiles])


def _stack(x: Any, layers: Sequence[Int8Layer]) -> Any:
    for layer in layers:
        # a later version returns indices too, and keeps fp32
        x = openvino().opset1.max_pool(layer.add_to(x), [2, 2], [0, 0], [0, 0], [2, 2])
    return x


def _in_bytes(x: Any, lowest: float, highest: float) -> Any:
    """Round values from `lowest` to `highest` to 256 numbers."""
    low, high = number(lowest), number(highest)
    return operations().fake_quantize(x, low, high, low, high, _BYTE + 1)
