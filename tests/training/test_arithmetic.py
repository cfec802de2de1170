"""The arithmetic of a training is what is faster on the processor at hand."""

import os
import subprocess
import sys

import torch

from histospace_core.training.arithmetic import arithmetic, bf16_is_faster, mixed

# Makes any x86 processor one without AVX-512, where a step in bf16 takes eight times as long.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def test_a_processor_without_bf16_products_trains_in_fp32() -> None:
    code = (
        "import torch; from histospace_core.training.arithmetic import arithmetic;"
        "print(arithmetic(torch.device('cpu')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **AVX2},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "fp32"


def test_a_gpu_trains_in_bf16() -> None:
    assert arithmetic(torch.device("cuda")) == "bf16"


def test_the_context_computes_as_it_was_decided() -> None:
    device = torch.device("cpu")
    with mixed(device):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if bf16_is_faster("cpu") else torch.float32)
    assert arithmetic(device) == ("bf16" if bf16_is_faster("cpu") else "fp32")
