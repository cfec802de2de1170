"""What the Predict page says of a run before it starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.records import run_record
from builders.slide_files import make_two_series
from PIL import ImageCms

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.catalog import Catalog, Kind, SlideRow
from histospace_core.catalog.records import CharacteriseRecord
from histospace_core.inference.record import Record
from histospace_core.web.predict.preview import (
    ASSUMED_FIXED,
    ASSUMED_SPEED,
    colour_profile,
    expected_seconds,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    catalog.migrate()
    yield catalog
    catalog.close()


def finish(catalog: Catalog, folder: Path, record: Record, kind: Kind = Kind.PREDICT) -> None:
    run = catalog.add_run(None, "a-model", {}, runs_dir=folder, kind=kind)
    catalog.claim(run.id, "this process")
    catalog.finish(run.id, attempt=1, record=record)


def prediction(
    n: int,
    seconds: float,
    encoding: float,
    earlier: int = 0,
    storing: float | None = None,
    **settings: object,
) -> Record:
    times = {
        "seconds": seconds,
        "encoding_seconds": encoding,
        "storing_seconds": storing,
        "tiles_from_earlier_attempt": earlier,
    }
    return run_record(timings=times, tiles={"total": n}, settings=settings)


def test_a_small_run_tells_the_fixed_time_and_a_large_one_that_of_a_tile(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Records that do not tell what storing took are read as before."""
    before = expected_seconds(catalog, "a-model", 1000)
    assert before == ASSUMED_FIXED + 1000 / ASSUMED_SPEED
    finish(catalog, tmp_path, prediction(80, 24.0, 2.0))
    finish(catalog, tmp_path, prediction(100_000, 120.0, 100.0, earlier=50_000))
    # a characterisation counts other units; runs of the first version did not tell
    finish(catalog, tmp_path, CharacteriseRecord(timings={"seconds": 13.0}), Kind.CHARACTERISE)
    finish(catalog, tmp_path, prediction(100, 500.0, 0.0))
    expected = expected_seconds(catalog, "a-model", 200_000)
    assert expected == pytest.approx(21 + 200_000 * 102 / 50_080)
    assert expected_seconds(catalog, "another-model", 1000) == before


def test_tiles_that_share_patches_cost_by_their_area(catalog: Catalog, tmp_path: Path) -> None:
    side = {"tile_px": 64, "um_per_px": 1.0, "stride_um": 64.0}
    finish(catalog, tmp_path, prediction(1000, 15.0, 10.0, dense=True, **side))
    assert expected_seconds(catalog, "a-model", 1000) == pytest.approx(15)
    assert expected_seconds(catalog, "a-model", 4000, 32.0) == pytest.approx(15, rel=0.05)
    assert expected_seconds(catalog, "a-model", 4000, 64.0) == pytest.approx(45)


def test_storing_costs_by_the_tile_even_where_encoding_costs_by_the_area(
    catalog: Catalog, tmp_path: Path
) -> None:
    side = {"tile_px": 64, "um_per_px": 1.0, "stride_um": 32.0, "dense": True}
    finish(catalog, tmp_path, prediction(100_000, 27.0, 15.0, storing=10.0, **side))
    # an older record, which does not tell storing from the start
    finish(catalog, tmp_path, prediction(100_000, 99.0, 15.0, **side))
    same = expected_seconds(catalog, "a-model", 100_000, 32.0)
    assert same == pytest.approx(27, rel=0.02)
    finer = expected_seconds(catalog, "a-model", 400_000, 16.0)
    assert finer == pytest.approx(2 + 15 * 1.2 + 40, rel=0.05)


@pytest.mark.parametrize(
    ("tiles", "stride_um", "took"),
    [(10_702, 24.0, 38.7), (70_743, 10.0, 54.3), (216_612, 6.0, 83.8)],
)
def test_recorded_runs_of_the_sample_tell_each_other(
    catalog: Catalog, tmp_path: Path, tiles: int, stride_um: float, took: float
) -> None:
    """Each is told from the two others: start 30 s; encoding and storing as two busy cores took."""
    side = {"tile_px": 64, "um_per_px": 1.0, "dense": True}
    for n, stride, encoding, storing in (
        (10_702, 24.0, 6.2, 2.5),
        (70_743, 10.0, 11.5, 12.8),
        (216_612, 6.0, 20.0, 33.8),
    ):
        if n != tiles:
            seconds = 30.0 + encoding + storing
            finish(
                catalog,
                tmp_path,
                prediction(n, seconds, encoding, storing=storing, stride_um=stride, **side),
            )
    assert expected_seconds(catalog, "a-model", tiles, stride_um) == pytest.approx(took, rel=0.15)


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
