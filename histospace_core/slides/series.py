"""The choice among the images of a slide file."""

from collections.abc import Collection
from pathlib import Path

from histospace_core.errors import SlideError


def refuse_series(given: str | None, names: Collection[str], path: Path) -> None:
    """Refuse a choice that names no image of a file; "0" may stand for the only one.

    Parameters
    ----------
    given
        The user's choice, None or "" if there is none.
    names
        The images of the file.
    path

    Raises
    ------
    SlideError
    """
    if not given or given in names or (given == "0" and len(names) < 2):
        return
    if len(names) < 2:
        raise SlideError(
            f"holds one image, and no series '{given[:60]}'", path=path, remedy="leave out --series"
        )
    raise SlideError.not_among("series", given, names, path)
