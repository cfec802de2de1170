"""Convolutions as graphs of OpenVINO, which has quick kernels for AVX2, AVX-512, AMX and ARM.

Batch norm is folded into the convolutions; `int8_graph.py` adds 8-bit layers.
"""

import sys
import threading
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histospace_core.networks.lite0 import Conv, Norm
from histospace_core.networks.lite0_trunk import Trunk

BATCH = 16
"""Tiles that a graph computes at once: a fixed number is a fifth faster than a variable one."""


def openvino() -> Any:
    """Return the library, without its usage statistics; it takes 0.2 s to load."""
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = cast("Any", None)  # as if it were not installed
    import openvino as library

    return library


def operations() -> Any:
    """Return the version of the operations that the graphs are made of."""
    return openvino().opset13


class Compiled:
    """A graph ready to run, from several threads at once.

    Parameters
    ----------
    graph
        `openvino.Model` whose inputs and outputs have a first axis of `BATCH`.
    precision
        "f32" or "bf16"; 8-bit layers keep their integers.
    threads
        Number of threads that will call it, each on one core.
    """

    def __init__(self, graph: Any, precision: str, threads: int) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = openvino().Core().compile_model(graph, "CPU", settings)
        self._outputs = len(graph.outputs)
        self._own = threading.local()

    def __call__(self, batch: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Run `BATCH` tiles; the results change with the thread's next call."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer([batch], share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(i).data for i in range(self._outputs)]

    def on(self, tiles: Tensor) -> list[Tensor]:
        """Run any number of tiles and return the results as tensors of their own."""
        parts = [
            [torch.from_numpy(values[:n].copy()) for values in self(batch)]
            for n, batch in batches(tiles.numpy())
        ]
        return [torch.cat(part) for part in zip(*parts, strict=True)]


def batches(tiles: NDArray[np.uint8]) -> Iterable[tuple[int, NDArray[np.uint8]]]:
    """Yield tiles (n, ...) in batches of `BATCH`, the last one filled up, and how many count."""
    for start in range(0, len(tiles), BATCH):
        part = np.ascontiguousarray(tiles[start : start + BATCH])
        n = len(part)
        if n < BATCH:
            part = np.concatenate([part, np.zeros((BATCH - n, *part.shape[1:]), part.dtype)])
        yield n, part


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of one convolution that equals a convolution and its batch norm."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("a batch norm without running statistics cannot be folded")
    gain = norm.weight / torch.sqrt(variance + norm.eps)
    bias = norm.bias - mean * gain
    if conv.bias is not None:
        bias = bias + conv.bias * gain
    return (conv.weight * gain[:, None, None, None]).detach(), bias.detach()


def folded(layers: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution of a stack of conv, batch norm, ReLU, pool."""
    parts: list[Any] = list(layers.children())
    return [fold(conv, norm) for conv, norm in zip(parts[::4], parts[1::4], strict=True)]


def trunk_graphs(trunk: Trunk, side: int) -> tuple[Any, Any]:
    """Return the graphs of EfficientNet-lite0's blocks up to 2, and of blocks 3 to 7.

    The first takes tiles (n, side, side, 3), uint8, and returns the map of block 2, from which the
    domain score is computed and which therefore keeps fp32. The second takes this map and returns
    those of blocks 3 to 7.
    """
    ops = operations()
    tiles = ops.parameter([BATCH, side, side, 3], np.uint8)
    pixels = (to_maps(tiles) - number(127)) * number(1 / 128)
    conv, norm = cast("tuple[Any, Any]", tuple(trunk.stem))
    x = _layer(pixels, conv, norm)
    for block in trunk.blocks[:2]:
        x = _block(x, block)
    first = openvino().Model([x], [tiles])
    start = ops.parameter([int(n) for n in x.shape], np.float32)
    outputs, x = [], start
    for block in trunk.blocks[2:]:
        x = _block(x, block)
        outputs.append(x)
    return first, openvino().Model(outputs, [start])


def _block(x: Any, blocks: Any) -> Any:
    """Add one block of an EfficientNet, which is several blocks in a row, to a graph."""
    for block in blocks:
        inverted = hasattr(block, "conv_pwl")
        names = ("conv_pw", "conv_dw", "conv_pwl") if inverted else ("conv_dw", "conv_pw")
        y = x
        for i, conv in enumerate(names, 1):
            y = _layer(y, getattr(block, conv), getattr(block, f"bn{i}"))
        x = x + y if block.has_skip else y
    return x


def _layer(x: Any, conv: Conv, norm: Norm) -> Any:
    """Add a convolution, its batch norm and its ReLU6, if it has one, to a graph."""
    ops = operations()
    weight, bias = (t.numpy() for t in fold(conv, norm))
    side, stride = weight.shape[-1], conv.stride[0]
    # TensorFlow's SAME padding adds the odd pixel at the right and bottom
    total = side - stride
    before, after = [total // 2] * 2, [total - total // 2] * 2
    strides = [stride] * 2
    if conv.groups > 1:
        y = ops.group_convolution(x, weight[:, None], strides, before, after, [1, 1])
    else:
        y = ops.convolution(x, weight, strides, before, after, [1, 1])
    y = y + bias.reshape(1, -1, 1, 1)
    return ops.clamp(y, 0.0, 6.0) if norm.clips else y


def to_maps(tiles: Any) -> Any:
    """Convert tiles (n, h, w, 3), uint8, to maps (n, 3, h, w), float32."""
    ops = operations()
    return ops.transpose(ops.convert(tiles, np.float32), np.array([0, 3, 1, 2]))


def number(value: float) -> Any:
    """Return a constant of a graph."""
    return operations().constant(np.float32(value))
