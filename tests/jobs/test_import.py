"""A file of the import folder, taken in by a worker as the page asks for it."""

from pathlib import Path

import pytest
from builders.slide_files import make_slide
from jobs.conftest import Workshop

from histospace_core.catalog import Kind, State
from histospace_core.catalog.records import ImportRecord

pytestmark = pytest.mark.slow


def test_a_file_is_taken_in_once_and_a_wrong_one_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "import"
    folder.mkdir()
    make_slide(folder / "case 1.png", side=800)
    (folder / "notes.svs").write_text("no slide at all")
    shop = Workshop(tmp_path / "store", import_dir=folder)
    try:
        run_id = shop.jobs.submit_import("case 1.png")
        assert shop.jobs.submit_import("case 1.png") == run_id  # a double click
        wrong_id = shop.jobs.submit_import("notes.svs")
        run, wrong = (shop.wait_end(one, seconds=120) for one in (run_id, wrong_id))
        (slide,) = shop.catalog.slides()
        assert (run.kind, run.state) == (Kind.IMPORT, State.DONE)
        assert run.record == ImportRecord(
            timings=run.record.timings, slide=slide.id, name="case 1.png", sha256=slide.sha256
        )
        assert wrong.state == State.FAILED
        assert (wrong.error or "").startswith("notes.svs")
    finally:
        shop.close()
