"""What a measurement on this machine has shown, kept so that it need not be repeated.

Which arithmetic is fastest depends on the processor and on the versions of the libraries, and two
measurements of equals may disagree. A choice is therefore made once for each machine and kept in
the store. So is what runs have taken, from which the time of the next is estimated. The folder may
be deleted at any time.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from histospace_core.files import atomic_write
from histospace_core.process import usable_cores

_FOLDER = "measured"
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
    stored = recall(what, **facts)
    if stored is None:
        found = measure()
        # Another process may have finished first; then its result counts for both.
        stored = recall(what, **facts)
        stored = found if stored is None else stored
        keep(what, stored, **facts)
    return stored


def recall(what: str, **facts: Any) -> Any | None:
    """Return what this machine keeps under these facts; None if nothing, or a damaged file."""
    file, key = _place(what, facts)
    stored = _read(file)
    if stored is None or any(stored.get(name) != value for name, value in key.items()):
        return None
    return stored["found"]


def keep(what: str, found: Any, **facts: Any) -> None:
    """Keep a value that JSON can hold, in place of an earlier one under the same facts."""
    file, key = _place(what, facts)
    with suppress(OSError):  # the store is full or may not be written: it is measured again
        _write(file, {**key, "found": found})


def kept(store: Path, what: str) -> list[tuple[dict[str, Any], date]]:
    """Return what a store keeps of one kind, of any machine and version, each with its date."""
    files = []
    for file in sorted((store / _FOLDER).glob("*.json")):
        stored = _read(file)
        if stored is not None and stored.get("what") == what:
            written = file.stat().st_mtime
            files.append((stored, datetime.fromtimestamp(written).date()))
    return files


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
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def flags() -> set[str]:
    """Return the processor's flags as Linux names them; empty on another system."""
    return set(_cpuinfo("flags").split())


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor; "" if the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    return ""


def _place(what: str, facts: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the file of some facts, and the key that it states."""
    from histospace_core.settings import get_settings  # here, for benchmarks without pydantic

    key = {"what": what, "machine": machine(), **facts}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return get_settings().store / _FOLDER / f"{digest[:32]}.json", key


def _version(library: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(library)
    return None


def _read(file: Path) -> dict[str, Any] | None:
    """Return the content of a file; None if it is absent or damaged."""
    with suppress(OSError, ValueError, RecursionError):  # the last from thousands of brackets
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content, dict) and "found" in content:
            return content
    return None


def _write(file: Path, content: dict[str, Any]) -> None:
    with atomic_write(file, durable=False) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
