"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tests", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("tests")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real data beside the checkout; the test skips where it is absent."""
    folder = Path(os.environ.get("HISTOSPACE_SHARED", ROOT.parent / "shared"))
    if not (folder / "her2st").is_dir():
        pytest.skip(f"real data not found: no her2st folder in {folder.name}/ beside the checkout")
    return folder
