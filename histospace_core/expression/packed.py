"""Open a file whether it is packed with gzip or not; its content decides, not its name."""

import gzip
from pathlib import Path
from typing import IO, cast

GZIP = b"\x1f\x8b"


def is_packed(path: Path) -> bool:
    """Return whether the content begins as that of gzip does."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


def open_unpacked(path: Path) -> IO[bytes]:
    """Open a file for reading its bytes, unpacked if it is packed."""
    return cast(IO[bytes], gzip.open(path, "rb") if is_packed(path) else path.open("rb"))
