"""The cost of a network: multiply-accumulates and memory."""

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

    As usual, element-wise arithmetic, normalisation and work outside torch are not counted.
    """
    # the counter supports attention on every device only as plain matrix products
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops() / 2 / 1e9  # flops are two: a product and an addition


def reset_peak_memory() -> None:
    """Release free memory and restart `peak_memory_mb` from now, where the system supports it."""
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    if _RESET.exists():
        _RESET.write_text("5")  # 5 resets the high-water mark: see man 5 proc


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process, MB; on Linux since `reset_peak_memory`."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
