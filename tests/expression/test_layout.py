"""What a folder holds is found by its layout; what belongs to two sections is never mixed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.layouts import MATRIX, write_geo, write_hd, write_section
from builders.measured import POSITIONS, write_10x_h5, write_10x_mtx

from histospace_core.errors import MeasurementError
from histospace_core.expression import layout
from histospace_core.expression.choice import Choice
from histospace_core.expression.spaceranger import read_spaceranger


@pytest.fixture
def two(tmp_path: Path, counts: np.ndarray) -> Path:
    """A folder above two sections; the barcodes of one fit the other."""
    write_section(tmp_path / "run/A/outs", counts)
    write_section(tmp_path / "run/B/outs", counts * 2, first_x=7500, spot=120)
    return tmp_path / "run"


def test_two_samples_are_refused_by_name(two: Path) -> None:
    with pytest.raises(MeasurementError, match=r"run: holds 2 samples \(A, B\)") as caught:
        read_spaceranger(two)
    assert caught.value.alternatives is not None
    assert caught.value.alternatives.names == ("A", "B")


@pytest.mark.parametrize("name", ["B", "B/outs", "B/"])
def test_a_chosen_sample_has_its_own_of_everything(
    two: Path, counts: np.ndarray, name: str
) -> None:
    raw = read_spaceranger(two, Choice(sample=name))
    assert raw.counts.toarray().tolist() == (counts[:5] * 2).tolist()
    assert raw.centres[0].tolist() == [7500, 1000]
    assert raw.spot_diameter == 120
    assert "Sample 'B' was read, one of 2." in raw.notes
    with pytest.raises(MeasurementError, match="holds no sample 'C'; choose one of: A, B"):
        read_spaceranger(two, Choice(sample="C"))


def test_counts_of_one_folder_never_meet_positions_of_another(two: Path) -> None:
    shutil.rmtree(two / "A/outs/spatial")
    (two / "B/outs" / f"{MATRIX}.h5").unlink()
    with pytest.raises(MeasurementError, match="do not lie in one folder with one name"):
        read_spaceranger(two)


def test_a_part_of_another_section_is_said(two: Path) -> None:
    shutil.rmtree(two / "A/outs/spatial")
    raw = read_spaceranger(two)
    assert raw.centres[0, 0] == 7500
    assert f"{MATRIX}.h5 is without its counts or positions, and was not read." in raw.notes


def test_files_of_geo(tmp_path: Path, counts: np.ndarray) -> None:
    write_geo(tmp_path / "geo", "GSM1_a", counts, 500, 89.4)
    raw = read_spaceranger(tmp_path / "geo")
    assert raw.counts.toarray().tolist() == counts[:5].tolist()
    assert raw.spot_diameter == 89.4
    write_geo(tmp_path / "geo", "GSM2_b", counts * 2, 7500, 120)
    with pytest.raises(MeasurementError, match=r"2 samples \(GSM1_a, GSM2_b\)"):
        read_spaceranger(tmp_path / "geo")
    raw = read_spaceranger(tmp_path / "geo", Choice(sample="GSM2_b"))
    assert raw.counts.sum() == counts[:5].sum() * 2
    assert raw.centres[0, 0] == 7500
    assert raw.spot_diameter == 120


@pytest.mark.parametrize("prefix", ["A_", ""])
def test_counts_of_two_sections_beside_one_spatial_folder(
    tmp_path: Path, counts: np.ndarray, prefix: str
) -> None:
    write_section(tmp_path, counts, prefix=prefix)
    write_10x_h5(tmp_path / f"B_{MATRIX}.h5", counts)
    with pytest.raises(MeasurementError, match=r"counts of several sections \(.*B_.* of one"):
        read_spaceranger(tmp_path)


def test_hidden_files_are_passed_over(tmp_path: Path, counts: np.ndarray) -> None:
    write_section(tmp_path / "s", counts)
    for path in [path for path in (tmp_path / "s").rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    shutil.copytree(tmp_path / "s", tmp_path / "s/__MACOSX/s")
    shutil.copytree(tmp_path / "s/spatial", tmp_path / "s/.ipynb_checkpoints/spatial")
    assert len(read_spaceranger(tmp_path / "s").spots) == 5


@pytest.mark.parametrize("name", [f"{MATRIX.upper()}.H5", f"Läsion_{MATRIX}.h5"])
def test_case_and_decomposed_letters(tmp_path: Path, counts: np.ndarray, name: str) -> None:
    write_section(tmp_path / "s", counts)
    (tmp_path / "s" / f"{MATRIX}.h5").rename(tmp_path / "s" / name.replace("ä", "a\u0308"))
    (tmp_path / "s/spatial/tissue_positions.csv").rename(tmp_path / "s/Tissue_Positions.CSV")
    assert len(read_spaceranger(tmp_path / "s").spots) == 5


def test_a_link_in_circles(tmp_path: Path, counts: np.ndarray) -> None:
    write_section(tmp_path / "s", counts)
    (tmp_path / "s/again").symlink_to(tmp_path / "s", target_is_directory=True)
    assert len(read_spaceranger(tmp_path / "s").spots) == 5


def test_too_many_files(
    tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_section(tmp_path / "s", counts)
    monkeypatch.setattr(layout, "MAX_FILES", 3)
    with pytest.raises(MeasurementError, match="s: the folder holds more than 3 files"):
        read_spaceranger(tmp_path / "s")


def test_packed_sections_are_named(tmp_path: Path) -> None:
    (tmp_path / "GSM1_a_spatial.tar.gz").touch()
    with pytest.raises(MeasurementError, match=r"holds packed files .*unpack them"):
        read_spaceranger(tmp_path)


def test_cells_of_space_ranger_4_are_not_counts_of_spots(
    tmp_path: Path, counts: np.ndarray
) -> None:
    write_section(tmp_path / "s", counts)
    write_10x_mtx(tmp_path / "s/segmented_outputs/filtered_feature_cell_matrix", counts)
    notes = read_spaceranger(tmp_path / "s").notes
    assert "Counts of segmented cells (segmented_outputs) are not read." in notes


@pytest.mark.parametrize(
    ("counts_name", "positions_name"),
    [
        ("matrix_s1.mtx.gz", "tissue_positions_list_s1.csv"),
        ("matrix.s1.mtx", "tissue_positions.s1.csv"),
        (f"{MATRIX}_s1.h5", "spatial_s1/tissue_positions_list.csv"),
        (f"GSM1_{MATRIX}-s1.h5", "spatial/tissue_positions_list_s1.csv"),
        (f"{MATRIX} (1).h5", "spatial/tissue_positions_list.csv"),
    ],
)
def test_the_name_of_the_sample_may_stand_behind(
    tmp_path: Path, counts: np.ndarray, counts_name: str, positions_name: str
) -> None:
    folder = tmp_path / "s"
    place = folder / positions_name
    place.parent.mkdir(parents=True)
    POSITIONS.to_csv(place, index=False, header=False)
    if counts_name.endswith(".h5"):
        write_10x_h5(folder / counts_name, counts)
    else:
        write_10x_mtx(tmp_path / "m", counts)
        for name in ("matrix.mtx", "barcodes.tsv", "features.tsv"):
            stem, _, kind = name.partition(".")
            behind = counts_name.removeprefix("matrix").partition(".mtx")[0]
            (tmp_path / f"m/{name}.gz").rename(folder / f"{stem}{behind}.{kind}.gz")
    assert read_spaceranger(folder).counts.toarray().tolist() == counts[:5].tolist()


def test_two_samples_named_behind_are_two(tmp_path: Path, counts: np.ndarray) -> None:
    for k in (1, 2):
        write_10x_h5(tmp_path / f"{MATRIX}_s{k}.h5", counts * k)
        table = POSITIONS.assign(pxl_col_in_fullres=POSITIONS["pxl_col_in_fullres"] + k)
        table.to_csv(tmp_path / f"tissue_positions_s{k}.csv", index=False)
    with pytest.raises(MeasurementError, match=r"2 samples \(s1, s2\)"):
        read_spaceranger(tmp_path)
    raw = read_spaceranger(tmp_path, Choice(sample="s2"))
    assert raw.counts.toarray().tolist() == (counts[:5] * 2).tolist()
    assert raw.centres[0, 0] == 502


@pytest.mark.parametrize("copy", [" (1)", " copy", "_copy", " - Copy"])
@pytest.mark.parametrize("kind", ["counts", "positions"])
def test_a_second_version_of_a_file_must_say_the_same(
    tmp_path: Path, counts: np.ndarray, copy: str, kind: str
) -> None:
    folder = write_section(tmp_path / "s", counts)
    file = folder / (f"{MATRIX}.h5" if kind == "counts" else "spatial/tissue_positions.csv")
    twin = file.with_name(f"{file.stem}{copy}{file.suffix}")
    shutil.copy(file, twin)
    read_spaceranger(folder)
    if kind == "counts":
        write_10x_h5(twin, counts + 1)
    else:
        POSITIONS.assign(in_tissue=1).to_csv(twin, index=False)
    with pytest.raises(MeasurementError, match=r"are not the same matrix|differs from"):
        read_spaceranger(folder)


def test_samples_in_a_folder_named_spatial(tmp_path: Path, counts: np.ndarray) -> None:
    for k, name in enumerate("AB", start=1):
        write_section(tmp_path / "x/spatial" / name, counts * k)
        shutil.move(tmp_path / f"x/spatial/{name}/spatial/tissue_positions.csv", tmp_path / "x")
        shutil.move(tmp_path / "x/tissue_positions.csv", tmp_path / f"x/spatial/{name}")
    raw = read_spaceranger(tmp_path / "x", Choice(sample="spatial/B"))
    assert raw.counts.toarray().tolist() == (counts[:5] * 2).tolist()


def test_packed_samples_beside_one_are_named(tmp_path: Path, counts: np.ndarray) -> None:
    write_section(tmp_path / "A", counts)
    (tmp_path / "B.tar.gz").write_bytes(b"")
    assert "Packed files were not read: B.tar.gz." in read_spaceranger(tmp_path).notes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.h5ad", "holds a.h5ad and no output of Space Ranger; give that file itself"),
        ("s1.tsv", "holds s1.tsv and no output of Space Ranger"),
    ],
)
def test_a_measurement_of_another_kind_in_a_folder(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MeasurementError, match=message):
        read_spaceranger(tmp_path)


def test_counts_of_another_name_are_named(tmp_path: Path, counts: np.ndarray) -> None:
    folder = write_section(tmp_path / "s", counts)
    (folder / f"{MATRIX}.h5").rename(folder / "GSM1_s1.h5")
    (folder / "molecule_info.h5").write_bytes(b"x")
    with pytest.raises(MeasurementError, match=r"if GSM1_s1\.h5 holds the counts, name it so"):
        read_spaceranger(folder)


def test_counts_beside_bins_are_another_sample(tmp_path: Path, counts: np.ndarray) -> None:
    write_hd(tmp_path / "hd/outs", counts)
    write_section(tmp_path / "hd/outs", counts)
    with pytest.raises(MeasurementError, match="holds 4 samples"):
        read_spaceranger(tmp_path / "hd")
