"""What can be chosen in a SpatialData store, and by which option."""

from pathlib import Path

import pytest
import zarr

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.spatialdata_parts import (
    Annotation,
    annotations,
    point_files,
    which_molecules,
    which_table,
)

HD = {f"square_{um:03}um": Annotation(f"tables/square_{um:03}um", "s") for um in (2, 8, 16)}


def test_tables_and_regions_are_candidates(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "s.zarr")
    for name, region in (("one", "a"), ("two", ["b", "c"]), ("none", None)):
        group = root.create_group(f"tables/{name}")
        if region is not None:
            group.attrs["region"] = region
    found = annotations(root)
    assert found == {
        "one": Annotation("tables/one", "a"),
        "b": Annotation("tables/two", "b"),
        "c": Annotation("tables/two", "c"),
    }


@pytest.mark.parametrize("given", ["8", "008", "8um", "square_008um"])
def test_bins_are_chosen_by_size(given: str) -> None:
    assert which_table(HD, Choice(bin=given), Path("s.zarr")) == HD["square_008um"]


def test_several_bins_are_refused_with_their_sizes() -> None:
    with pytest.raises(MeasurementError, match="3 bin sizes") as caught:
        which_table(HD, ONLY, Path("s.zarr"))
    assert caught.value.alternatives is not None
    assert caught.value.alternatives.names == ("002", "008", "016")


def test_molecules_come_before_the_cells_made_of_them(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "s.zarr")
    root.create_group("tables/cells/obs/transcript_counts")
    root.create_group("tables/spots/obs")
    tables = {name: Annotation(f"tables/{name}", "r") for name in ("cells", "spots")}
    path = Path("s.zarr")
    cells = {"cells": tables["cells"]}
    assert which_molecules(root, cells, ["transcripts"], ONLY, path) == "transcripts"
    assert which_molecules(root, cells, ["transcripts"], Choice(library="cells"), path) is None
    assert which_molecules(root, cells, [], ONLY, path) is None
    with pytest.raises(MeasurementError, match=r"2 libraries \(transcripts, spots\)"):
        which_molecules(root, tables, ["transcripts"], ONLY, path)


def test_hidden_files_of_a_points_folder_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "points/t/points.parquet"
    folder.mkdir(parents=True)
    for name in ("part.1.parquet", "part.0.parquet", "._part.0.parquet"):
        (folder / name).write_bytes(b"")
    assert [f.name for f in point_files(tmp_path, "t")] == ["part.0.parquet", "part.1.parquet"]
