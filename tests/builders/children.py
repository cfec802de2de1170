"""What a child process may do, good and bad."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from histospace_core.errors import PixelSizeError


def add(a: int, b: int) -> int:
    return a + b


def heed_interrupt() -> None:
    """Heed Ctrl-C, which a shell lets its background jobs, and so their children, ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def crash(*_: object) -> None:
    """Die of a real segmentation fault."""
    ctypes.string_at(0)


def sleep(*_: object) -> None:
    time.sleep(60)


def burn(*_: object) -> None:
    """Use the processor for ever."""
    while True:
        pass


def take_memory(*_: object) -> int:
    return len(bytearray(8 * 2**30))


def refuse(path: str) -> None:
    raise PixelSizeError("its pixels are not square", path=Path(path), remedy="resample it")


def fail(*_: object) -> None:
    raise ZeroDivisionError("a fault of ours")


def leave_a_file() -> str:
    """Write to the temporary folder, print much, and return the folder's name."""
    folder = Path(os.environ["TMPDIR"])
    (folder / "left").write_text("left")
    sys.stdout.write("printed by a library\n" * 10_000)
    return str(folder)
