"""Run a function in a child process with limits.

A decoder that crashes, hangs or exhausts memory on a damaged or hostile file ends the child, not
this process. The child gets the `sys.path` of this process, so it finds the package wherever that
is installed.
"""

import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from histospace_core.errors import Alternatives, HistospaceError

# The child's answer may name only these classes: it comes from a process that read a hostile file.
_KINDS: dict[str, type[HistospaceError]] = {
    name: kind
    for name, kind in vars(sys.modules[HistospaceError.__module__]).items()
    if isinstance(kind, type) and issubclass(kind, HistospaceError)
}
_log = logging.getLogger(__name__)
_START = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request.pop("sys_path")
from histospace_core.sandbox import run_child
run_child(**request)
"""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VIPS_CONCURRENCY")


class SandboxError(Exception):
    """The child ended without a result.

    Attributes
    ----------
    cause
        "time", "memory" or "crash".
    detail
        The last line that the child wrote to stderr, or its exit status.
    """

    def __init__(self, cause: Literal["time", "memory", "crash"], detail: str = "") -> None:
        super().__init__(cause, detail)
        self.cause, self.detail = cause, detail


def run_in_sandbox(
    function: Callable[..., Any],
    *arguments: Any,
    seconds: float | None = None,
    memory_mb: int | None = None,
    threads: int | None = None,
) -> Any:
    """Call a function in a child process and return its result.

    Parameters
    ----------
    function
        A module-level function; the child imports it by name.
    *arguments
        JSON-serialisable arguments; the result must be JSON-serialisable too.
    seconds
        Limit of the child's wall-clock time and of its processor time.
    memory_mb
        Limit of its address space, MB; only Linux enforces it.
    threads
        Threads of its numerical libraries.

    Raises
    ------
    HistospaceError
        As `function` raised it.
    SandboxError
        The child crashed or exceeded a limit.
    """
    # The child's temporary files are deleted with this folder, even if it crashes.
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        answer = Path(folder) / "answer.json"
        request = {
            "sys_path": [str(Path(entry).absolute()) for entry in sys.path],
            "module": function.__module__,
            "function": function.__qualname__,
            "arguments": arguments,
            "answer": str(answer),
            "seconds": seconds,
            "memory_mb": memory_mb,
        }
        bounded = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
        try:
            done = subprocess.run(
                [sys.executable, "-c", _START],
                input=json.dumps(request).encode(),
                env={**os.environ, **bounded, "TMPDIR": folder},
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SandboxError("time") from None
        return _result(answer, done)


def run_child(
    module: str,
    function: str,
    arguments: list[Any],
    answer: str,
    seconds: float | None,
    memory_mb: int | None,
) -> None:
    """In the child: call the function under limits and write its result or its error."""
    call = getattr(importlib.import_module(module), function)
    _limit(seconds, memory_mb)
    content: dict[str, Any]
    try:
        content = {"result": call(*arguments)}
    except HistospaceError as error:
        content = {
            "error": _public_kind(error),
            "problem": error.problem,
            "path": None if error.path is None else str(error.path),
            "remedy": error.remedy,
            "alternatives": error.alternatives and asdict(error.alternatives),
        }
    except MemoryError:
        content = {"error": "MemoryError"}
    Path(answer).write_text(json.dumps(content), encoding="utf-8")


def _public_kind(error: HistospaceError) -> str:
    """Return the name of the error's class, or of its nearest base that the parent knows."""
    return next(kind.__name__ for kind in type(error).mro() if kind.__name__ in _KINDS)


def _limit(seconds: float | None, memory_mb: int | None) -> None:
    """Limit memory and processor time of this process, where the system supports it."""
    try:
        import resource
    except ImportError:  # Windows has no such module; the parent's timeout still applies
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core file after a decoder's crash
    if seconds is not None:
        # The soft limit sends SIGXCPU, which distinguishes a timeout from a crash.
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    if memory_mb is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = memory_mb * 2**20
        # The system refuses a soft limit above the hard one.
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _result(answer: Path, done: subprocess.CompletedProcess[bytes]) -> Any:
    try:
        content = json.loads(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}  # the child ended before it had written everything
    if "result" in content:
        return content["result"]
    if content.get("error") == "MemoryError":
        raise SandboxError("memory")
    if content:
        path = content["path"] and Path(content["path"])
        several = content["alternatives"]
        raise _KINDS[content["error"]](
            content["problem"],
            path=path,
            remedy=content["remedy"],
            alternatives=several and Alternatives(several["option"], tuple(several["names"])),
        )
    said = done.stderr.decode("utf-8", "replace").strip()
    _log.warning("A child process ended with status %d: %s", done.returncode, said)
    detail = said.splitlines()[-1] if said else f"exit status {done.returncode}"
    if done.returncode == -getattr(signal, "SIGXCPU", 0):  # Windows has none
        raise SandboxError("time", detail)
    # SIGKILL comes from the kernel when the machine has no memory left.
    # A MemoryError while the child writes its answer ends in a traceback.
    if done.returncode == -getattr(signal, "SIGKILL", 0) or detail.startswith("MemoryError"):
        raise SandboxError("memory", detail)
    raise SandboxError("crash", detail)
