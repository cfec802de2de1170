"""Slides in the catalog."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from histospace_core.catalog import Catalog, State
from histospace_core.errors import PixelSizeError, StoreError
from histospace_core.expression.choice import ONLY, Choice


def test_a_slide_comes_back_as_it_was_entered(catalog: Catalog, fill) -> None:
    added = fill.slide("liver <b>.svs")
    slide = catalog.slide(added.id)
    assert (slide.name, slide.sha256) == ("liver <b>.svs", "ab")
    assert (slide.width, slide.height, slide.mpp) == (2220, 2967, 0.5)
    assert (slide.mpp_source, slide.vendor, slide.reader) == ("file", "aperio", "openslide")
    assert slide.size_bytes == len(b"pixels")
    assert slide.file.read_bytes() == b"pixels"
    assert slide.created_at.tzinfo is UTC
    assert abs(slide.created_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_same_content_is_one_slide(catalog: Catalog, fill) -> None:
    assert fill.slide("first.svs").id == fill.slide("second.svs").id
    assert [s.name for s in catalog.slides()] == ["first.svs"]


def test_a_lost_file_is_restored_by_the_same_content(catalog: Catalog, fill, tmp_path) -> None:
    slide = fill.slide()
    slide.file.unlink()
    again = tmp_path / "again.svs"
    again.write_bytes(b"pixels")
    properties = catalog.slide(slide.id)  # has the same fields
    assert catalog.add_slide(again, "again.svs", "ab", properties).id == slide.id
    assert catalog.slide(slide.id).file == again


def test_slides_are_found_by_text_taken_literally(catalog: Catalog, fill) -> None:
    fill.slide("100% tumour.svs", "01")
    fill.slide("Tumour_b.svs", "02")
    fill.slide("normal.svs", "03")
    assert {s.name for s in catalog.slides("tumour")} == {"100% tumour.svs", "Tumour_b.svs"}
    assert [s.name for s in catalog.slides("%")] == ["100% tumour.svs"]
    assert [s.name for s in catalog.slides("_")] == ["Tumour_b.svs"]
    assert [s.name for s in catalog.slides()] == ["normal.svs", "Tumour_b.svs", "100% tumour.svs"]


def test_pixel_size_is_set_only_where_the_file_names_none(catalog: Catalog, fill) -> None:
    asks = fill.slide("asks.svs", "01", mpp=None)
    assert catalog.slide(asks.id).mpp is None
    assert catalog.set_pixel_size(asks.id, 0.69).mpp == 0.69
    assert catalog.slide(asks.id).mpp_source == "user"
    assert catalog.set_pixel_size(asks.id, 0.7).mpp == 0.7  # a user may correct themselves
    with pytest.raises(PixelSizeError, match=r"names its own pixel size, 0\.5 um/px"):
        catalog.set_pixel_size(fill.slide("knows.svs", "02").id, 0.69)


@pytest.mark.parametrize("mpp", [0, -1, 0.049, 4.1, float("nan"), float("inf")])
def test_absurd_pixel_sizes_are_refused(catalog: Catalog, fill, mpp: float) -> None:
    slide = fill.slide(mpp=None)
    with pytest.raises(PixelSizeError, match=r"from 0\.05 to 4"):
        catalog.set_pixel_size(slide.id, mpp)
    assert catalog.slide(slide.id).mpp is None


def test_measured_expression_is_attached(catalog: Catalog, fill) -> None:
    slide = fill.slide()
    catalog.attach_measured(slide.id, Path("counts.tsv"), Path("spots.tsv"))
    row = catalog.slide(slide.id)
    assert (row.counts_path, row.spots_path) == ("counts.tsv", "spots.tsv")
    assert (row.measured_choice, row.choice) == (None, ONLY)
    choice = Choice(sample="A/outs", bin="8")
    catalog.attach_measured(slide.id, Path("outs.zip"), choice=choice)
    assert catalog.slide(slide.id).choice == choice
    assert catalog.attach_measured(slide.id, None).counts_path is None


def test_a_slide_with_runs_stays(catalog: Catalog, fill) -> None:
    slide = fill.slide("kept.svs")
    run = fill.run(slide)
    with pytest.raises(StoreError, match=r"kept\.svs has 1 run: delete them first"):
        catalog.delete_slide(slide.id)
    assert slide.file.exists()
    catalog.set_state(run.id, State.CANCELLED)
    catalog.delete_run(run.id)
    catalog.delete_slide(slide.id)
    assert not slide.file.parent.exists()
    with pytest.raises(StoreError, match="not in the catalog"):
        catalog.slide(slide.id)


def test_only_a_folder_named_by_the_id_is_removed(catalog: Catalog, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    file = precious / "a.svs"
    file.write_bytes(b"pixels")
    properties = SimpleNamespace(
        width=1, height=1, mpp=None, mpp_source=None, vendor="v", reader="r"
    )
    slide = catalog.add_slide(file, "a.svs", "cd", properties)
    catalog.delete_slide(slide.id)
    assert file.exists()


def test_changes_are_audited(catalog: Catalog, fill) -> None:
    catalog.actor = "dr. grey"
    slide = fill.slide(mpp=None)
    catalog.set_pixel_size(slide.id, 0.5)
    catalog.delete_slide(slide.id)
    trail = catalog.audit_trail(slide.id)
    assert [row.action for row in trail] == ["delete", "set pixel size", "add"]
    assert {row.actor for row in trail} == {"dr. grey"}
    assert trail[1].detail == {"before": None, "after": 0.5}
