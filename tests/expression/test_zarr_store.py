import json
from pathlib import Path

import numpy as np
import pytest
from builders.spatialdata_stores import add_circles, add_table, write_store

from histospace_core.errors import MeasurementError
from histospace_core.expression.spatialdata import read_spatialdata


@pytest.fixture(params=[2, 3])
def store(request: pytest.FixtureRequest, tmp_path: Path, counts: np.ndarray) -> Path:
    root = write_store(tmp_path / "S.zarr", request.param)
    add_circles(root, "spots", np.arange(12.0).reshape(6, 2) * 50)
    add_table(root, "table", counts, ["spots"])
    assert read_spatialdata(tmp_path / "S.zarr").counts.shape == (6, 5)
    return tmp_path / "S.zarr"


def _edit(store: Path, change: dict[str, object]) -> None:
    """Change the metadata of the array of counts."""
    folder = store / "tables" / "table" / "X" / "data"
    file = next(folder / name for name in ("zarr.json", ".zarray") if (folder / name).exists())
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_a_link_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (store / "tables" / "more").symlink_to(tmp_path / "secret")
    with pytest.raises(MeasurementError, match="tables/more is a link or a device"):
        read_spatialdata(store)


def test_absurd_sizes_are_refused(store: Path) -> None:
    _edit(store, {"shape": [10**14]})
    with pytest.raises(MeasurementError, match="declare far more data than the store holds"):
        read_spatialdata(store)


def test_a_codec_that_runs_code_is_refused(store: Path) -> None:
    _edit(store, {"filters": [{"id": "pickle"}], "codecs": [{"name": "numcodecs.pickle"}]})
    with pytest.raises(MeasurementError, match="compressed with 'pickle'"):
        read_spatialdata(store)


def test_a_codec_inside_another_is_refused(store: Path) -> None:
    inside = {"name": "sharding_indexed", "configuration": {"codecs": [{"name": "pickle"}]}}
    _edit(store, {"codecs": [inside]})
    with pytest.raises(MeasurementError, match="compressed with 'pickle'"):
        read_spatialdata(store)


def test_a_damaged_store_is_refused(store: Path) -> None:
    _edit(store, {"shape": [3]})
    with pytest.raises(MeasurementError, match="damaged or not of the expected kind"):
        read_spatialdata(store)
    (store / "tables" / "table" / "X" / "zarr.json").write_text("{")
    with pytest.raises(MeasurementError, match="damaged or not of the expected kind"):
        read_spatialdata(store)


def test_a_zarr_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "S.zarr").mkdir()
    with pytest.raises(MeasurementError, match="damaged or not of the expected kind"):
        read_spatialdata(tmp_path / "S.zarr")
