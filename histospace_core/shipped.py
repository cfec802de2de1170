"""Locate the files that ship with the code: app, pages, models, tables and score texts.

In a checkout they are top-level folders. A wheel carries the same folders inside the package, so
that it adds nothing else to site-packages.
"""

from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = PACKAGE / "_shipped"  # pyproject.toml puts the files there when a wheel is built
INSTALLED = _IN_WHEEL.is_dir()

SHIPPED = _IN_WHEEL if INSTALLED else PACKAGE.parent
"""Folder of `app.py`, `pages`, `models`, `data` and `docs`."""


def default_store() -> Path:
    """Return the default folder of slides, runs and the catalog.

    A checkout keeps them beside the code. An installed package may be in a read-only folder that
    each update replaces, so it keeps them in the user's data folder.
    """
    if INSTALLED:
        return platformdirs.user_data_path("histospace", appauthor=False)
    return SHIPPED / "data" / "store"
