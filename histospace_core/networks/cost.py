"""What a network costs: multiply-accumulates and bytes."""

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def count_gmacs(run: Callable[[], Any]) -> float:
    """Count the multiply-accumulates of all convolutions and matrix products in a run, in 10^9.

    Arithmetic outside torch, element by element or of normalisation is not counted, as is usual.
    """
    # attention as plain products, which the counter knows on every device
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops() / 2 / 1e9


def reset_peak_memory() -> None:
    """Give back what is free and let `peak_memory_mb` count from now on, where the system can."""
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    if _RESET.exists():
        _RESET.write_text("5")


def peak_memory_mb() -> float:
    """Largest resident memory of this process, MB, since `reset_peak_memory` on Linux."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
