"""Disk space of the store: the quota for slides, free space, and a reserve for the catalog."""

import shutil
from pathlib import Path

from histospace_core.errors import StoreError
from histospace_core.settings import Settings

RESERVE_BYTES = 256 << 20
"""Disk space that new files must leave for the rest of the program."""


_CATALOG_RESERVE_BYTES = 2 << 20


def disk_full(name: str) -> str:
    """Return the error sentence for a file for which there is not enough disk space."""
    return f"There is not enough disk space for {name}: free some in the store, then try again."


def require_space(
    settings: Settings,
    name: str,
    n_bytes: int,
    *,
    used: int = 0,
    promised: int = 0,
    reserve_bytes: int = RESERVE_BYTES,
    on_disk: bool = True,
) -> None:
    """Refuse a file for which the store has no space.

    Parameters
    ----------
    used
        Bytes of complete and partial slides in the store.
    promised
        Bytes that unfinished uploads have yet to write.
    on_disk
        Whether the file will take disk space; a link does not.

    Raises
    ------
    StoreError
        The quota for slides or the free disk space would be exceeded.
    """
    quota = settings.slides_quota_gb
    if quota is not None and used + promised + n_bytes > quota * 1e9:
        raise StoreError(
            f"{name} does not fit: the slides take {(used + promised) / 1e9:.1f} of {quota:g} GB. "
            "Delete slides, or ask your operator to raise HISTOSPACE_SLIDES_QUOTA_GB."
        )
    free = shutil.disk_usage(_existing(settings.store)).free - promised - reserve_bytes
    if on_disk and free < n_bytes:
        raise StoreError(disk_full(name))


def _existing(folder: Path) -> Path:
    return next(f for f in (folder, *folder.absolute().parents) if f.exists())


def fill_reserve(store: Path) -> None:
    """Reserve some disk space, so that the catalog can still record that the disk is full."""
    file = store / "reserve"
    if not file.exists():
        try:
            file.write_bytes(b"\0" * _CATALOG_RESERVE_BYTES)  # a sparse file would reserve nothing
        except OSError:
            file.unlink(missing_ok=True)  # a part would pass for the whole reserve


def release_reserve(store: Path) -> None:
    """Free the reserved disk space for what must be written now."""
    (store / "reserve").unlink(missing_ok=True)
