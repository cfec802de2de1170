"""Fixtures of the web tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.serving import Server, serve


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with an empty store."""
    with serve(tmp_path / "store") as running:
        yield running
