"""A packed folder gives what the folder gives, whichever program wrote it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.measured import GENES
from builders.spatial_outputs import write_visium, write_xenium
from builders.spatialdata_stores import add_circles, add_table, write_store

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice
from histospace_core.expression.folders import read_archive, read_folder
from histospace_core.expression.measured import read_measured
from histospace_core.expression.recognise import recognise
from histospace_core.expression.spatialdata import read_spatialdata

COUNTS = np.arange(1, 21).reshape(4, 5)
CENTRES = np.array([[100.0, 100], [300, 100], [100, 300], [300, 300]])


def store(path: Path, zarr_format: int = 3, extra: int = 0) -> Path:
    root = write_store(path, zarr_format)
    add_circles(root, "spots", CENTRES)
    add_table(root, "table", COUNTS + extra, ["spots"])
    return path


def write(folder: Path, kind: str) -> Path:
    if kind == "space-ranger":
        write_visium(folder / "outs", COUNTS, CENTRES, GENES)
        return folder / "outs"
    if kind == "xenium":
        write_xenium(folder / "run", GENES, n_cells=20, molecules=500)
        return folder / "run"
    return store(folder / "S.zarr", int(kind[-1]))


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("kind", ["space-ranger", "xenium", "zarr 2", "zarr 3"])
def test_a_packed_folder(tmp_path: Path, kind: str, form: str, within: bool) -> None:
    path = write(tmp_path / "data", kind)
    root = path.parent if within else path
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), form, root))
    assert recognise(packed) == form
    whole, found = read_measured(path), read_measured(packed)
    assert found.obs_names.tolist() == whole.obs_names.tolist()
    assert found.var_names.tolist() == whole.var_names.tolist()
    assert (found.X != whole.X).nnz == 0
    np.testing.assert_array_equal(found.obsm["spatial"], whole.obsm["spatial"])
    assert found.uns["histospace"]["format"] == whole.uns["histospace"]["format"]
    assert found.uns["histospace"]["notes"] == whole.uns["histospace"]["notes"]


def test_several_stores_are_named(tmp_path: Path) -> None:
    for i, name in enumerate("AB"):
        store(tmp_path / "both" / f"{name}.zarr", extra=i)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "both"))
    with pytest.raises(MeasurementError, match=r"packed.zip: holds 2 samples \(A.zarr, B.zarr\)"):
        read_archive(packed)
    found = read_archive(packed, Choice(sample="B.zarr"))
    np.testing.assert_array_equal(found.counts.toarray(), COUNTS + 1)


def test_a_folder_above_a_store(tmp_path: Path) -> None:
    path = store(tmp_path / "download" / "S.zarr")
    found = read_folder(tmp_path / "download")
    np.testing.assert_array_equal(found.counts.toarray(), read_spatialdata(path).counts.toarray())


def test_outputs_of_two_programs(tmp_path: Path) -> None:
    write(tmp_path, "space-ranger")
    write(tmp_path, "zarr 3")
    with pytest.raises(MeasurementError, match="holds outputs of SpatialData and Space Ranger"):
        read_folder(tmp_path)
