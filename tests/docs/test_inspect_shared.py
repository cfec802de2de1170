"""The page on `inspect` says what the program says today."""

import re
from pathlib import Path

import pytest
from builders.checkout import PROJECT

from docs.inspect_shared import FILES, HEAD, section

PAGE = PROJECT / "docs" / "inspect.md"
SMALL = (
    "slides/small.svs",
    "slides/unopenable.tiff",
    "her2st/ST-spotfiles/C2_selection.tsv",
    "visium_mouse_brain/scalefactors_json.json",
)


def test_every_file_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    assert text.startswith(HEAD)
    assert len(re.findall(r"^## ", text, re.MULTILINE)) == len(FILES)


@pytest.mark.shared
@pytest.mark.parametrize("entry", SMALL)
def test_the_page_agrees(shared: Path, entry: str) -> None:
    """`python -m docs.inspect_shared` makes the page again."""
    assert entry in FILES
    assert section(entry, shared) in PAGE.read_text("utf-8")
