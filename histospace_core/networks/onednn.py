"""Convolutions of oneDNN with batch norm folded in and activation fused, in bf16 or 8-bit integers.

torch.compile calls the same kernels on a CPU; calling them directly needs no compiler and no
warm-up. They are private functions of torch, so another version may lack one; then
`MissingKernelError` is raised and the caller uses the plain network.

8-bit layers follow Jacob et al. 2018 (doi 10.1109/CVPR.2018.00286): weights are rounded per
channel; activations have one step per layer, measured on sample tiles. The bias corrects the mean
shift that rounding causes on those tiles (Nagel et al. 2019, doi 10.1109/ICCV.2019.00141).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad, relu


class MissingKernelError(RuntimeError):
    """The installed torch lacks a private function that the faster forms call."""


def has_int8() -> bool:
    """Return whether oneDNN is available and the processor has 8-bit products (AVX-512 VNNI)."""
    available = torch.backends.mkldnn.is_available()
    return available and bool(_private("cpu._is_vnni_supported")())


def has_bf16() -> bool:
    """Return whether oneDNN is available and the processor has bf16 products."""
    available = torch.backends.mkldnn.is_available()
    return available and bool(_private("cpu._is_avx512_bf16_supported")())


def _private(name: str) -> Any:
    """Return a private function of torch, such as "ops.onednn.qconv_prepack".

    Raises
    ------
    MissingKernelError
        The installed torch has no function of this name.
    """
    found: Any = torch
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise MissingKernelError(f"torch {torch.__version__} has no torch.{name}") from error
    return found


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


def pool(maps: Tensor) -> Tensor:
    """Return maps (n, c, h, w), channels last and of any type, after a max-pool of 2 x 2."""
    rows = maps.permute(0, 2, 3, 1)
    rows = torch.maximum(rows[:, ::2], rows[:, 1::2])
    return torch.maximum(rows[:, :, ::2], rows[:, :, 1::2]).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Grid:
    """A grid to which real numbers are rounded: byte q stands for (q - zero) * step."""

    step: float
    zero: int = 0

    def real(self, maps: Tensor) -> Tensor:
        return (maps.float() - self.zero) * self.step


class Int8Conv:
    """A 3x3 convolution and ReLU in 8-bit integers.

    Parameters
    ----------
    weight, bias
        Of the folded convolution, (out, in, 3, 3) and (out,).
    input_grid : Grid
        Grid of the input.
    output_grid : Grid, optional
        Grid of the output; if None, the output is real numbers.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, input_grid: Grid, output_grid: Grid | None
    ) -> None:
        self.input_grid, self.output_grid = input_grid, output_grid
        self.bias = bias
        # 127, not 128: weights are symmetric around 0, so their zero points are 0.
        self._steps = weight.abs().amax((1, 2, 3)).clamp_min(1e-12) / 127
        rounded = torch.round(weight / self._steps[:, None, None, None]).to(torch.int8)
        self._packed = _private("ops.onednn.qconv_prepack")(
            rounded, self._steps, input_grid.step, input_grid.zero, [1, 1], [1, 1], [1, 1], 1, None
        )
        self._zeros = torch.zeros(len(bias), dtype=torch.int32)

    def __call__(self, maps: Tensor) -> Tensor:
        return self._run(maps, self.output_grid, "relu")

    def before_activation(self, maps: Tensor) -> Tensor:
        """Return the real numbers before the ReLU."""
        return self._run(maps, None, "none")

    def _run(self, maps: Tensor, output_grid: Grid | None, activation: str) -> Tensor:
        return _private("ops.onednn.qconv2d_pointwise")(
            maps,
            self.input_grid.step,
            self.input_grid.zero,
            self._packed,
            self._steps,
            self._zeros,
            self.bias,
            [1, 1],
            [1, 1],
            [1, 1],
            1,
            1.0 if output_grid is None else output_grid.step,
            0 if output_grid is None else output_grid.zero,
            torch.float32 if output_grid is None else torch.uint8,
            activation,
            [],
            "",
        )


def int8_stack(
    layers: Sequence[tuple[Tensor, Tensor]], sample: Tensor, input_grid: Grid, *, real_last: bool
) -> list[Int8Conv]:
    """Round a stack of 3x3 convolutions, each with ReLU and max-pool 2, to 8-bit integers.

    Parameters
    ----------
    layers
        Weight and bias of each convolution.
    sample
        Maps (n, c, h, w), uint8, like those that the stack will see.
    input_grid
        Their grid.
    real_last
        Whether the last layer returns real numbers instead of bytes.
    """
    stack: list[Int8Conv] = []
    exact, rounded = input_grid.real(sample), sample
    for i, (weight, bias) in enumerate(layers):
        wanted = conv2d(exact, weight, bias, padding=1)
        last = real_last and i == len(layers) - 1
        # From 0, because a ReLU follows.
        output_grid = Grid(max(float(wanted.amax()), 1e-6) / 255)
        conv = Int8Conv(weight, bias, input_grid, None if last else output_grid)
        # Measured on the rounded input, so that it also corrects the shift of the layers before.
        conv.bias = bias + wanted.mean((0, 2, 3)) - conv.before_activation(rounded).mean((0, 2, 3))
        stack.append(conv)
        exact, rounded, input_grid = max_pool2d(relu(wanted), 2), pool(conv(rounded)), output_grid
    return stack


class FusedConv:
    """A convolution, its batch norm and its ReLU6, if it has one, in one call.

    TensorFlow's SAME padding adds one more pixel at the right and bottom. For a stride of two, the
    kernel gets a row and a column of zeros instead, so that the maps need not be copied.

    Parameters
    ----------
    conv, norm
        As in timm's EfficientNet: `norm` may carry the activation.
    dtype
        Of weights and maps: float32 or bfloat16.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, dtype: torch.dtype) -> None:
        weight, bias = fold(conv, norm)
        side = weight.shape[-1]
        self._stride = list(conv.stride)
        self._groups = conv.groups
        if self._stride[0] == 2:
            weight, margin = pad(weight, (1, 0, 1, 0)), (side - 1) // 2
        else:
            margin = side // 2
        self._padding = [margin, margin]
        clipped = isinstance(getattr(norm, "act", None), nn.ReLU6)
        # hardtanh: what the kernel calls ReLU6.
        self._activation = ("hardtanh", [0.0, 6.0]) if clipped else ("none", [])
        self._weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self._bias = bias.to(dtype)
        self._packed: dict[torch.Size, Tensor] = {}

    def __call__(self, maps: Tensor) -> Tensor:
        name, limits = self._activation
        return _private("ops.mkldnn._convolution_pointwise")(
            maps,
            self._for(maps.shape),
            self._bias,
            self._padding,
            self._stride,
            [1, 1],
            self._groups,
            name,
            limits,
            "",
        )

    def _for(self, shape: torch.Size) -> Tensor:
        """Return the weight in the memory layout for maps of a shape."""
        if self._groups > 1:
            return self._weight
        if shape not in self._packed:
            # Threads may both get here; they store equal weights.
            self._packed[shape] = _private("ops.mkldnn._reorder_convolution_weight")(
                self._weight, self._padding, self._stride, [1, 1], 1, list(shape)
            )
        return self._packed[shape]
