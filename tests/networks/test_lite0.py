"""EfficientNet-lite0 as we build it equals timm's, and needs no timm."""

import subprocess
import sys

import pytest
import timm
import torch

from histospace_core.networks.lite0 import lite0_blocks, lite0_stem
from histospace_core.shipped import SHIPPED


@pytest.mark.parametrize("side", [64, 65, 101])
def test_it_equals_timm(side: int) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    for norm in theirs.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2)
    stem, blocks = lite0_stem().eval(), lite0_blocks(7).eval()
    stem[0].load_state_dict(theirs.conv_stem.state_dict())
    stem[1].load_state_dict(theirs.bn1.state_dict())
    blocks.load_state_dict(theirs.blocks.state_dict())
    pixels = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        wanted = theirs.blocks(theirs.bn1(theirs.conv_stem(pixels)))
        assert torch.equal(blocks(stem(pixels)), wanted)


def test_a_model_loads_without_the_libraries_of_models() -> None:
    """They take longer to import than a small slide takes to predict."""
    code = (
        "import sys; from pathlib import Path\n"
        "from histospace_core.networks import Predictor, load_package\n"
        f"Predictor(load_package(Path({str(SHIPPED / 'models' / 'histospace-plus-her2st')!r})))\n"
        "print({'timm', 'torchvision', 'torch._dynamo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
