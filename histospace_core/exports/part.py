"""A file or folder that appears whole or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from histospace_core.errors import StoreError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Yield a name beside `out` to write to; it becomes `out` when the block ends well.

    Raises
    ------
    StoreError
        `out` exists already, or cannot be written.
    """
    if out.exists():
        raise StoreError(f"'{out.name}' exists already; choose another name or delete it.")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(out)
    except OSError as error:
        raise StoreError(
            f"'{out.name}' cannot be written ({error.strerror or error}); make room on the disk or "
            "choose another folder."
        ) from error
    finally:
        with suppress(OSError):  # never written, or its folder is none
            shutil.rmtree(part) if part.is_dir() else part.unlink()
