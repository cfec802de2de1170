"""The intake probe: no file is trusted before a process of its own has read it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from histospace_core.errors import PixelSizeError, SlideError, TissueError
from histospace_core.shipped import PACKAGE
from histospace_core.slides.properties import SlideProperties

_ERRORS = {kind.__name__: kind for kind in (SlideError, PixelSizeError, TissueError)}


def probe_slide(
    path: str | Path, mpp: float | None = None, timeout_s: float = 60, memory_mb: int = 4096
) -> SlideProperties:
    """Read real regions of a slide in a separate process with limits, before it is accepted.

    A decoder that crashes, hangs or takes all memory on a hostile file takes that process down,
    not this one.

    Parameters
    ----------
    path : str or Path
    mpp : float, optional
        Pixel size in um/px given by the user; may stay unknown here.
    timeout_s : float
    memory_mb : int
        Limit of the process's address space.

    Raises
    ------
    SlideError
        Not a slide, truncated, smaller than 256 px, float, 16-bit or grey, not H&E, or its
        decoder crashed or exceeded the limits.
    PixelSizeError
        A pixel size that is absurd, contradictory or not square.
    TissueError
        A blank slide.
    """
    path = Path(path)
    asked = {"path": str(path), "mpp": mpp, "seconds": timeout_s, "memory_mb": memory_mb}
    command = [sys.executable, "-P", "-m", "histospace_core.slides.examine", json.dumps(asked)]
    try:
        child = subprocess.run(
            command, capture_output=True, timeout=timeout_s, env=_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise SlideError(
            f"{path.name}: reading it took more than {timeout_s:g} s; the file may be damaged, or "
            "has no pyramid: export it as a tiled pyramid."
        ) from None
    return _answer(path, child, memory_mb)


def _environment() -> dict[str, str]:
    """Let the child find this package, and keep its libraries to one thread each."""
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VIPS_CONCURRENCY"), "1")
    return {**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)}


def _answer(
    path: Path, child: subprocess.CompletedProcess[bytes], memory_mb: int
) -> SlideProperties:
    lines = child.stdout.decode("utf-8", "replace").splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        answer = {}
    if "properties" in answer:
        found = answer["properties"]
        found["level_downsamples"] = tuple(found["level_downsamples"])
        return SlideProperties(**found)
    if answer.get("error") in _ERRORS:
        raise _ERRORS[answer["error"]](answer["message"])
    if answer.get("error") == "MemoryError":
        raise SlideError(
            f"{path.name}: reading it needs more than {memory_mb} MB; "
            "export it as a tiled pyramid (SVS, OME-TIFF)."
        )
    raise SlideError(
        f"{path.name}: the decoder crashed on it (exit status {child.returncode}); the file is "
        "damaged, export it again."
    )
