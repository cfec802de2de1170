"""Mixed precision where it is faster, which only a measurement shows.

A processor without bf16 products imitates them, several times slower than fp32 computes, and its
flags do not tell how a version of torch uses it.
"""

import statistics
import time
from functools import lru_cache

import torch
from torch import nn

from histospace_core.remembered import remembered
from histospace_core.training.parallel import processes

_REPEATS = 3
_HOPELESS = 3.0
"""Ratio of the first step in bf16, which also prepares kernels, to fp32 at which timing stops."""
_WORTH_IT = 0.8
"""Ratio of the times of bf16 and fp32 below which the coarser arithmetic is used."""


def mixed(device: torch.device) -> torch.autocast:
    """Return a context that computes in bf16 if that is faster on this device, else in fp32.

    The first call for a CPU measures, and the machine remembers the choice, so that two trainings
    of the same data agree. Where several processes train together, the first decides for all, so
    each must make this call, outside the work that is divided among them.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_faster(device.type))


def arithmetic(device: torch.device) -> str:
    """Return the name of the arithmetic of `mixed`, for records: "bf16" or "fp32"."""
    return "bf16" if bf16_is_faster(device.type) else "fp32"


@lru_cache
def bf16_is_faster(device: str) -> bool:
    """Return whether a training step of a convolution takes clearly less time in bf16."""
    if device == "cuda":
        return True
    return processes().from_first(lambda: remembered("bf16 trains faster than fp32", _measure))


def _measure() -> bool:
    conv = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    maps = torch.zeros(2, 64, 64, 64).to(memory_format=torch.channels_last)

    def step(*, bf16: bool) -> float:
        started = time.perf_counter()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            conv(maps).float().mean().backward()
        return time.perf_counter() - started

    def median(*, bf16: bool) -> float:
        return statistics.median(step(bf16=bf16) for _ in range(_REPEATS))

    step(bf16=False)
    plain = median(bf16=False)
    return step(bf16=True) < _HOPELESS * plain and median(bf16=True) < _WORTH_IT * plain
