"""Where the files lie that ship beside the code: the app, its pages, models, tables, score texts.

In a checkout they are its top-level folders; a wheel carries the same folders inside the package,
so that nothing of it lies loose in site-packages.
"""

from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = PACKAGE / "_shipped"  # pyproject.toml puts the files there when a wheel is built
INSTALLED = _IN_WHEEL.is_dir()

SHIPPED = _IN_WHEEL if INSTALLED else PACKAGE.parent
"""Folder of `app.py`, `pages`, `models`, `data` and `docs`."""


def default_store() -> Path:
    """Return the folder of slides, runs and catalog, where the operator names no other.

    A checkout keeps them beside the code. An installed package may lie in a folder that cannot be
    written and is replaced at each update, so it keeps them in the user's data folder.
    """
    if INSTALLED:
        return platformdirs.user_data_path("histospace", appauthor=False)
    return SHIPPED / "data" / "store"
