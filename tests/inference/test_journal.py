from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histospace_core.errors import StoreError
from histospace_core.inference.journal import Journal

TILES = (slice(0, 4), slice(4, 9))


def filled(run: Path) -> Journal:
    journal = Journal(run, {"slide": "a"})
    journal.begin()
    for tiles in TILES:
        n = tiles.stop - tiles.start
        codes = np.arange(n * 3, dtype=np.float32).reshape(n, 3) + tiles.start
        journal.write(tiles, codes, pd.DataFrame({"sharpness": np.arange(n, dtype=np.float32)}))
    return journal


def test_what_is_written_is_read(tmp_path: Path) -> None:
    journal = filled(tmp_path / "run")
    again = Journal(tmp_path / "run", {"slide": "a"})
    assert all(again.is_finished(tiles) for tiles in TILES)
    assert np.array_equal(again.codes(slice(2, 6)), journal.codes(slice(2, 6)))
    assert list(again.columns().index[:2]) == ["tile000000", "tile000001"]
    assert list(again.columns()["sharpness"]) == [0, 1, 2, 3, 0, 1, 2, 3, 4]


def test_a_damaged_chunk_is_not_finished(tmp_path: Path) -> None:
    filled(tmp_path / "run")
    file = tmp_path / "run" / "unfinished" / "codes.f32"
    data = bytearray(file.read_bytes())
    data[4 * 3 * 5] ^= 1  # a bit of the second chunk
    file.write_bytes(data)
    journal = Journal(tmp_path / "run", {"slide": "a"})
    assert [journal.is_finished(tiles) for tiles in TILES] == [True, False]


@pytest.mark.parametrize("name", ["codes.f32", "tiles-00000004.parquet"])
def test_a_truncated_file_is_not_finished(tmp_path: Path, name: str) -> None:
    filled(tmp_path / "run")
    file = tmp_path / "run" / "unfinished" / name
    file.write_bytes(file.read_bytes()[:-10])
    journal = Journal(tmp_path / "run", {"slide": "a"})
    assert [journal.is_finished(tiles) for tiles in TILES] == [True, False]


def test_another_run_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "run")
    with pytest.raises(StoreError, match="another slide, model or setting"):
        Journal(tmp_path / "run", {"slide": "b"})
