"""Contents are named, values are not."""

import zipfile
from pathlib import Path

from histospace_core.inspection.contents import list_contents
from histospace_core.inspection.findings import Inspection


def test_a_folder_and_its_zip_list_the_same(visium: Path, tmp_path: Path) -> None:
    (visium / ".DS_Store").touch()
    (visium / "._filtered_feature_bc_matrix.h5").touch()
    packed = tmp_path / "outs.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in visium.rglob("*"):
            archive.write(file, file.relative_to(visium))
    lists = []
    for path in (visium, packed):
        found = Inspection(path.name, "measured expression")
        list_contents(path, found)
        lists.append(found.contents)
    assert lists[0] == lists[1]
    assert lists[0] == [".: filtered_feature_bc_matrix.h5", "spatial: tissue_positions.csv"]


def test_a_damaged_file_lists_nothing(tmp_path: Path) -> None:
    for start in (b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"):
        path = tmp_path / "damaged"
        path.write_bytes(start + bytes(50))
        found = Inspection(path.name, "measured expression")
        list_contents(path, found)
        assert found.contents == []
