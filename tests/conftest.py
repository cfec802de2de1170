"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from builders.serving import Server

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


@pytest.fixture
def server(tmp_path: Path) -> Iterator["Server"]:
    """A server with an empty store."""
    from builders.serving import serve  # loads the whole app: only for tests that need it

    with serve(tmp_path / "store") as running:
        yield running


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of its own for what reads the settings in this process."""
    from histospace_core.settings import get_settings

    monkeypatch.setenv("HISTOSPACE_STORE", str(tmp_path / "store"))
    get_settings.cache_clear()
    yield tmp_path / "store"
    get_settings.cache_clear()
