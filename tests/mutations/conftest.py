"""Random mutations of files: the outcome is the value that the file was made from, or a sentence.

Readers run in this process, because a child for each of thousands of files would take hours. The
20,000 files are the same in every run, so that a failure can be seen again.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import Choice
from histospace_core.expression.isolated import READERS


@pytest.fixture(autouse=True, scope="module")
def in_this_process() -> Iterator[None]:
    def read(path: Path, kind: str, choice: Choice) -> RawCounts:
        return READERS[kind](path, choice)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histospace_core.expression.measured.read_isolated", read)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all examples of a test, in memory where the system has such a place."""
    return tmp_path_factory.mktemp("mutations")
