"""Regions in the catalog: kept, changed, undone, and two windows that edit one."""

import pytest
from catalog.conftest import Filler
from sqlalchemy import text

from histospace_core.catalog import Catalog, NewRegion, RegionRow, State
from histospace_core.errors import StoreError

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [9.5, 0], [9.5, 9], [0, 9], [0, 0]]]}
LARGER = {"type": "Polygon", "coordinates": [[[0, 0], [99, 0], [99, 9], [0, 9], [0, 0]]]}


@pytest.fixture
def run_id(fill: Filler) -> str:
    return fill.run().id


def draw(catalog: Catalog, run_id: str, *names: str) -> list[RegionRow]:
    return list(catalog.add_regions(run_id, [NewRegion(n, "#d55e00", SQUARE) for n in names]))


def names(catalog: Catalog, run_id: str) -> list[str]:
    return [row.name for row in catalog.regions(run_id)]


def undo(catalog: Catalog, run_id: str) -> None:
    change = catalog.last_change(run_id)
    assert change is not None
    catalog.undo_change(run_id, change.id)


def test_a_region_is_kept_as_it_was_drawn_and_a_taken_name_gets_a_number(catalog, run_id):
    draw(catalog, run_id, "Tumor", "Tumor")
    draw(catalog, run_id, " Tumor ")
    assert names(catalog, run_id) == ["Tumor", "Tumor 2", "Tumor 3"]
    row = catalog.regions(run_id)[0]
    assert (row.shape, row.colour) == (SQUARE, "#d55e00")
    assert catalog.audit_trail(row.region_id)[0].action == "draw"


def test_every_change_is_undone_in_turn(catalog, run_id):
    (row,) = draw(catalog, run_id, "Tumor")
    row = catalog.change_region(row, "rename", name="Core")
    row = catalog.change_region(row, "redraw", shape=LARGER)
    catalog.change_region(row, "delete", deleted=True)
    draw(catalog, run_id, "a", "b")
    assert catalog.last_change(run_id).names == ("a", "b")
    undo(catalog, run_id)  # both came at once
    assert names(catalog, run_id) == []
    undo(catalog, run_id)
    (row,) = catalog.regions(run_id)
    assert (row.name, row.shape) == ("Core", LARGER)
    undo(catalog, run_id)
    assert catalog.regions(run_id)[0].shape == SQUARE
    undo(catalog, run_id)
    assert names(catalog, run_id) == ["Tumor"]
    undo(catalog, run_id)
    assert names(catalog, run_id) == []
    assert catalog.last_change(run_id) is None


def test_two_windows_that_edit_one_region_lose_nothing(catalog, run_id):
    draw(catalog, run_id, "Tumor")
    here, there = Catalog(catalog.url), Catalog(catalog.url)
    (seen_here,), (seen_there,) = here.regions(run_id), there.regions(run_id)
    mine = here.change_region(seen_here, "redraw", shape=LARGER)
    stale = there.last_change(run_id)
    with pytest.raises(StoreError, match=r"'Tumor' was changed in another window .* look"):
        there.change_region(seen_there, "delete", deleted=True)
    assert [row.shape for row in there.regions(run_id)] == [LARGER], "the first one's work stands"

    (seen_there,) = there.regions(run_id)
    there.change_region(seen_there, "delete", deleted=True)
    with pytest.raises(StoreError, match="was deleted in another window"):
        here.change_region(mine, "rename", name="Core")
    with pytest.raises(StoreError, match="nothing was undone"):
        here.undo_change(run_id, stale.id)
    here.close()
    there.close()


def test_an_undone_state_is_never_taken_for_the_one_that_follows(catalog, run_id):
    (first,) = draw(catalog, run_id, "Tumor")
    seen = catalog.change_region(first, "rename", name="A")
    undo(catalog, run_id)
    catalog.change_region(first, "rename", name="B")
    with pytest.raises(StoreError, match="changed in another window"):
        catalog.change_region(seen, "delete", deleted=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [("Stroma", "Another region .* called 'Stroma'"), ("  ", "1 to 80"), ("n" * 81, "1 to 80")],
)
def test_a_name_that_will_not_do_is_said_and_nothing_changes(catalog, run_id, name, said):
    tumor, _ = draw(catalog, run_id, "Tumor", "Stroma")
    with pytest.raises(StoreError, match=said):
        catalog.change_region(tumor, "rename", name=name)
    assert names(catalog, run_id) == ["Tumor", "Stroma"]


def test_regions_belong_to_their_run_and_go_with_it(catalog, fill):
    run, other = fill.run(), fill.run(other=True)
    draw(catalog, run.id, "Tumor")
    draw(catalog, other.id, "Tumor")
    catalog.set_state(run.id, State.CANCELLED)
    catalog.delete_run(run.id)
    assert names(catalog, run.id) == []
    assert names(catalog, other.id) == ["Tumor"]
    with catalog.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM regions")).scalar() == 1
    with pytest.raises(StoreError, match="run is not in the catalog"):
        draw(catalog, run.id, "Tumor")
