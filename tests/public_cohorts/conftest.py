"""A server of our own, to be filled and spoilt."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.range_server import Files, serving

from histospace_core.public_cohorts import resume


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "WAIT_S", 0.0)
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Files]:
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server") as files:
        yield files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the cohort goes."""
    return tmp_path / "cohort"
