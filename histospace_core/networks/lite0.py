"""The layers of EfficientNet-lite0 (Tan & Le 2019, arXiv 1905.11946; Liu 2020).

They are built here, because importing a library of models takes longer than predicting a small
slide. Names of parameters and results are those of timm's `tf_efficientnet_lite0`.
"""

import math

from torch import Tensor, nn
from torch.nn.functional import pad

STEM_CHANNELS = 32
_STAGES = (
    # layers, kernel, stride, channels; all but the first expand their input 6 fold
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
)
_EXPANSION = 6
_NORM_EPS = 1e-3  # of the TensorFlow weights


class Conv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel at the right and bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        # PyTorch pads alike on both sides if the stride is 1.
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (kernel**2 * outputs)))

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride > 1:
            height, width = (
                max(-(-n // stride) * stride - stride + kernel - n, 0) for n in x.shape[-2:]
            )
            x = pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x)


class Norm(nn.BatchNorm2d):
    """A batch norm, and ReLU6 if `clips`."""

    def __init__(self, channels: int, *, clips: bool = True) -> None:
        super().__init__(channels, _NORM_EPS)
        self.clips = clips

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return nn.functional.relu6(x, inplace=True) if self.clips else x


class Separable(nn.Module):
    """The first block: a depthwise convolution and one of 1x1."""

    has_skip = False

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = Conv(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = Norm(inputs)
        self.conv_pw = Conv(inputs, outputs, 1)
        self.bn2 = Norm(outputs, clips=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))


class Inverted(nn.Module):
    """An inverted residual block: 1x1 to more channels, depthwise, 1x1 to fewer."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * _EXPANSION
        self.has_skip = stride == 1 and inputs == outputs
        self.conv_pw = Conv(inputs, wide, 1)
        self.bn1 = Norm(wide)
        self.conv_dw = Conv(wide, wide, kernel, stride, groups=wide)
        self.bn2 = Norm(wide)
        self.conv_pwl = Conv(wide, outputs, 1)
        self.bn3 = Norm(outputs, clips=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.has_skip else y


def lite0_stem() -> nn.Sequential:
    """Return the first convolution, from pixels (n, 3, s, s) to (n, 32, s/2, s/2)."""
    return nn.Sequential(Conv(3, STEM_CHANNELS, 3, 2), Norm(STEM_CHANNELS))


def lite0_blocks(n_blocks: int) -> nn.Sequential:
    """Return the first blocks, 1 to 7 of them, each a sequence of layers."""
    blocks, inputs = [], STEM_CHANNELS
    for i, (layers, kernel, stride, outputs) in enumerate(_STAGES[:n_blocks]):
        kind = Inverted if i else Separable
        block = []
        for layer in range(layers):
            block.append(kind(inputs, outputs, kernel, 1 if layer else stride))
            inputs = outputs
        blocks.append(nn.Sequential(*block))
    return nn.Sequential(*blocks)
