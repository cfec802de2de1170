"""What a measurement on this machine has shown, kept so that it need not be repeated.

Which arithmetic is fastest depends on the processor and on the versions of the libraries, and two
measurements of equals may disagree. A choice is therefore made once for each machine and kept in
the store. The folder may be deleted at any time.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from histospace_core.files import atomic_write
from histospace_core.process import usable_cores

_LIBRARIES = ("torch", "openvino")
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS")
"""Variables that change what a processor computes with."""


def remembered(what: str, measure: Callable[[], Any], **facts: Any) -> Any:
    """Return what `measure` returned on this machine before, or call it and keep its result.

    Parameters
    ----------
    what
        What is measured.
    measure
        Returns a value that JSON can hold.
    **facts
        What else the result depends on, such as a model's SHA-256.
    """
    from histospace_core.settings import get_settings  # here, for benchmarks without pydantic

    key = {"what": what, "machine": machine(), **facts}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    file = get_settings().store / "measured" / f"{digest[:32]}.json"
    stored = _read(file)
    if stored is None:
        found = measure()
        # Another process may have finished first; then its result counts for both.
        stored = _read(file) or {**key, "found": found}
        with suppress(OSError):  # the store is full or may not be written: it is measured again
            _write(file, stored)
    return stored["found"]


@lru_cache
def machine() -> dict[str, Any]:
    """Return the processor, its instruction set and the libraries that compute on it."""
    import torch

    return {
        "processor": processor(),
        "cores": usable_cores(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "limits": {name: os.environ[name] for name in _LIMITS if name in os.environ},
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def processor() -> str:
    """Return the name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(library: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(library)
    return None


def _read(file: Path) -> dict[str, Any] | None:
    """Return the content of a file; None if it is absent or damaged."""
    with suppress(OSError, ValueError):
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content, dict) and "found" in content:
            return content
    return None


def _write(file: Path, content: dict[str, Any]) -> None:
    with atomic_write(file, durable=False) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
