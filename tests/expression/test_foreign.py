"""What takes the place of a file is named, wherever the file lies."""

from pathlib import Path

import numpy as np
import pytest
from builders.layouts import MATRIX, write_section
from builders.measured import POSITIONS, write_10x_mtx

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured
from histospace_core.expression.packed import is_packed, open_unpacked
from histospace_core.expression.spaceranger import read_spaceranger

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LFS, "is a pointer of Git LFS or git-annex"),
        (b"/annex/objects/MD5E-s1--0.h5\n", "is a pointer of Git LFS or git-annex"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
    ],
)
@pytest.mark.parametrize("place", [f"{MATRIX}.h5", "spatial/tissue_positions.csv", "a.h5ad"])
def test_what_is_no_file_of_10x_is_named(
    tmp_path: Path, counts: np.ndarray, content: bytes, message: str, place: str
) -> None:
    folder = write_section(tmp_path / "s", counts)
    (folder / place).write_bytes(content)
    name = place.rpartition("/")[2]
    with pytest.raises(MeasurementError, match=f"^{name}: the file {message}"):
        read_measured(folder / place if place == "a.h5ad" else folder)


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
def test_the_damaged_one_of_three_files_is_named(
    tmp_path: Path, counts: np.ndarray, name: str
) -> None:
    write_10x_mtx(tmp_path / MATRIX, counts)
    POSITIONS.to_csv(tmp_path / "tissue_positions.csv", index=False)
    (tmp_path / MATRIX / name).write_bytes(LFS)
    with pytest.raises(MeasurementError, match=rf"^{name}: the file is a pointer"):
        read_spaceranger(tmp_path)


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
def test_a_name_that_lies_about_gzip(tmp_path: Path, counts: np.ndarray, name: str) -> None:
    write_10x_mtx(tmp_path / MATRIX, counts)
    file = tmp_path / MATRIX / name
    with open_unpacked(file) as packed:
        content = packed.read()
    file.write_bytes(content)
    assert not is_packed(file)
    POSITIONS.to_csv(tmp_path / "tissue_positions.csv", index=False)
    assert read_spaceranger(tmp_path).counts.toarray().tolist() == counts[:5].tolist()
