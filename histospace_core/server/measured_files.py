"""Uploaded measured expression, kept in the store until a comparison uses it."""

import re
from pathlib import Path

from histospace_core.catalog import new_id
from histospace_core.catalog.names import suffix
from histospace_core.errors import HistospaceError
from histospace_core.files import move_into_place
from histospace_core.settings import Settings


def accept_measured(settings: Settings, file: Path, name: str) -> str:
    """Move a file of measured expression into the store and return its id."""
    measured_id = new_id()
    folder = settings.store / "measured" / measured_id
    folder.mkdir(parents=True)
    move_into_place(file, folder / f"measured{suffix(name)}")
    return measured_id


def measured_file(settings: Settings, measured_id: str) -> Path:
    """Return the file with the id that `accept_measured` returned.

    Raises
    ------
    HistospaceError
        There is no such file; files that belong to no slide are deleted after a day.
    """
    if re.fullmatch(r"[0-9a-f]{32}", measured_id):
        for file in (settings.store / "measured" / measured_id).glob("measured*"):
            return file
    raise HistospaceError("The uploaded measurement has been deleted: upload it again.")
