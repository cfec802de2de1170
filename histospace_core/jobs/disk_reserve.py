"""A little disk space kept back, so that a full disk can still be written down in the catalog."""

from pathlib import Path

RESERVE_BYTES = 2 << 20


def keep_reserve(store: Path) -> None:
    """Make the store's reserve if it is gone and there is room again."""
    file = store / "reserve"
    if not file.exists():
        try:
            file.write_bytes(b"\0" * RESERVE_BYTES)
        except OSError:
            file.unlink(missing_ok=True)


def use_reserve(store: Path) -> None:
    """Give the reserve up for what must be written now."""
    (store / "reserve").unlink(missing_ok=True)
