"""What the Predict page says of a run before it starts."""

from pathlib import Path

import pytest
from builders.records import run_record
from builders.slide_files import make_two_series
from PIL import ImageCms

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.catalog import Catalog, Kind, SlideRow
from histospace_core.catalog.records import CharacteriseRecord
from histospace_core.web.predict.preview import colour_profile, expected_seconds

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_the_expected_time_is_that_of_predictions_alone(tmp_path: Path) -> None:
    """A characterisation counts other units, so it says nothing about the time of a tile."""
    catalog = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    catalog.migrate()
    for kind, total, record in (
        (Kind.PREDICT, 100, run_record(timings={"seconds": 10.0})),
        (Kind.CHARACTERISE, 7, CharacteriseRecord(timings={"seconds": 13.0})),
    ):
        run = catalog.add_run(None, "a-model", {}, runs_dir=tmp_path, kind=kind)
        catalog.claim(run.id, "this process")
        catalog.heartbeat(run.id, total, total, attempt=1)
        catalog.finish(run.id, attempt=1, record=record)
    assert expected_seconds(catalog, "a-model", 200) == 20
    catalog.close()


@pytest.mark.parametrize(
    ("profile", "name"),
    [(wide_gamut_profile(), "Wide gamut"), (SRGB, ""), (None, "")],
    ids=["wide", "sRGB", "none"],
)
def test_only_a_profile_that_changes_colours_is_named(
    tmp_path: Path, profile: bytes | None, name: str
) -> None:
    file = make_two_series(tmp_path / "two.ome.tif", side=300, profile=profile)
    assert colour_profile(SlideRow(path=str(file), series="left")) == name
