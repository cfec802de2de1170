"""The intake probe: read a slide in a child process before it is trusted."""

from pathlib import Path
from typing import Any

from histospace_core.errors import SlideError
from histospace_core.sandbox import SandboxError, run_in_sandbox
from histospace_core.slides.checks import check_slide_as_json
from histospace_core.slides.properties import SlideProperties


def probe_slide(
    path: str | Path,
    mpp: float | None = None,
    timeout_s: float = 60,
    memory_mb: int = 4096,
    *,
    series: str | None = None,
    icc: bool = True,
) -> SlideProperties:
    """Read real regions of a slide in a separate process with limits, before it is accepted.

    Parameters
    ----------
    path : str or Path
    mpp : float, optional
        Pixel size in um/px from the user; it may still be unknown.
    timeout_s : float
    memory_mb : int
        Limit of the process's address space, MB.
    series, icc
        As in `open_slide`.

    Raises
    ------
    SlideError
        The file is not a slide, truncated, smaller than 256 px, float, 16-bit, grey or not H&E, or
        its decoder crashed or exceeded the limits.
    PixelSizeError
        The pixel size is absurd or contradictory, or the pixels are not square.
    TissueError
        The slide is blank.
    """
    path = Path(path)
    try:
        found = run_in_sandbox(
            check_slide_as_json,
            str(path),
            mpp,
            series,
            icc,
            seconds=timeout_s,
            memory_mb=memory_mb,
            threads=1,
        )
    except SandboxError as error:
        problem, remedy = {
            "time": (
                f"reading it took more than {timeout_s:g} s",
                "the file may be damaged, or has no pyramid: export it as a tiled pyramid",
            ),
            "memory": (
                f"reading it needs more than {memory_mb} MB of memory",
                "export it as a tiled pyramid (SVS, OME-TIFF)",
            ),
            "crash": (
                f"the decoder crashed on it ({error.detail})",
                "the file is damaged: export it again",
            ),
        }[error.cause]
        raise SlideError(problem, path=path, remedy=remedy) from error
    # JSON has no tuples
    listed: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    return SlideProperties(**listed)
