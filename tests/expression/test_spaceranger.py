"""Space Ranger folders and zips: all position variants, h5 and mtx."""

import gzip
import shutil
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from builders.layouts import write_hd
from builders.measured import (
    BARCODES,
    GENES,
    POSITIONS,
    write_10x_h5,
    write_10x_mtx,
    write_positions,
)
from scipy import sparse

from histospace_core.errors import Alternatives, MeasurementError
from histospace_core.expression import Choice, check_alignment, read_measured
from histospace_core.expression.positions import POSITIONS as VARIANTS
from histospace_core.expression.positions import read_positions
from histospace_core.expression.spaceranger import read_spaceranger
from histospace_core.expression.tenx import read_10x_h5
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue

MATRIX = "filtered_feature_bc_matrix"


def test_x_is_the_column_and_y_the_row(spaceranger: Path) -> None:
    raw = read_spaceranger(spaceranger)
    assert raw.spots == BARCODES[:5]
    assert raw.centres[1].tolist() == [510, 1100]
    assert raw.spot_diameter == 89.4
    assert raw.notes == ["1 barcodes are not under tissue and were left out."]
    assert read_measured(spaceranger).uns["histospace"]["spot_diameter_px"] == 89.4


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("place", ["spatial", "."])
def test_all_position_files_in_and_beside_spatial(
    tmp_path: Path, counts: np.ndarray, variant: str, place: str
) -> None:
    write_positions(tmp_path / "s" / place, variant)
    write_10x_h5(tmp_path / "s" / f"{MATRIX}.h5", counts)
    raw = read_spaceranger(tmp_path / "s")
    assert raw.centres.tolist() == [[500 + 10 * i, 1000 + 100 * i] for i in range(5)]


@pytest.mark.parametrize("how", ["h5", "h5 of version 2", "mtx", "named h5", "raw only"])
def test_all_count_files_agree(tmp_path: Path, counts: np.ndarray, how: str) -> None:
    folder = tmp_path / "s"
    write_positions(folder / "spatial", "tissue_positions_list.csv")
    if how == "mtx":
        write_10x_mtx(folder / MATRIX, counts)
    else:
        names = {"named h5": f"V1_{MATRIX}.h5", "raw only": "raw_feature_bc_matrix.h5"}
        version = 2 if how == "h5 of version 2" else 3
        write_10x_h5(folder / names.get(how, f"{MATRIX}.h5"), counts, version)
    raw = read_spaceranger(folder)
    assert raw.counts.toarray().tolist() == counts[:5].tolist()
    assert raw.names == GENES


def test_unpacked_plain_mtx_of_an_old_version(tmp_path: Path, counts: np.ndarray) -> None:
    write_positions(tmp_path / "s", "tissue_positions_list.csv")
    folder = tmp_path / "s" / MATRIX
    write_10x_mtx(folder, counts)
    for path in list(folder.iterdir()):
        plain = path.with_suffix("").name.replace("features", "genes")
        (folder / plain).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    genes = pd.read_csv(folder / "genes.tsv", sep="\t", header=None)[[0, 1]]
    genes.to_csv(folder / "genes.tsv", sep="\t", header=False, index=False)
    assert read_spaceranger(tmp_path / "s").counts.toarray().tolist() == counts[:5].tolist()


def test_antibodies_are_left_out(spaceranger: Path) -> None:
    with h5py.File(spaceranger / f"{MATRIX}.h5", "a") as file:
        file["matrix/features/feature_type"][0] = b"Antibody Capture"
    assert read_spaceranger(spaceranger).names == GENES[1:]


@pytest.mark.parametrize("top", ["", "sample/outs/"])
def test_a_zip_reads_as_its_folder(spaceranger: Path, tmp_path: Path, top: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in spaceranger.rglob("*"):
            archive.write(path, top + path.relative_to(spaceranger).as_posix())
    zipped, folder = read_measured(tmp_path / "s.zip"), read_measured(spaceranger)
    assert (zipped.X != folder.X).nnz == 0
    assert np.array_equal(zipped.obsm["spatial"], folder.obsm["spatial"])
    assert zipped.uns["histospace"]["source"] == "s.zip"


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("spatial", "no tissue_positions.csv"),
        (f"{MATRIX}.h5", "no filtered_feature_bc_matrix.h5 and no folder"),
    ],
)
def test_a_missing_part_is_named(spaceranger: Path, lost: str, message: str) -> None:
    path = spaceranger / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(MeasurementError, match=f"outs: {message}"):
        read_spaceranger(spaceranger)


def test_barcodes_of_another_section(spaceranger: Path) -> None:
    other = POSITIONS.assign(barcode=[f"X{i}" for i in range(6)])
    other.to_csv(spaceranger / "spatial/tissue_positions.csv", index=False)
    with pytest.raises(MeasurementError, match="have no barcode in common"):
        read_spaceranger(spaceranger)


def test_an_mtx_that_declares_too_much(tmp_path: Path, counts: np.ndarray) -> None:
    write_positions(tmp_path / "s", "tissue_positions_list.csv")
    write_10x_mtx(tmp_path / "s" / MATRIX, counts)
    with gzip.open(tmp_path / "s" / MATRIX / "matrix.mtx.gz", "wt") as handle:
        handle.write("%%MatrixMarket matrix coordinate integer general\n5 6 999999999999\n1 1 1\n")
    with pytest.raises(MeasurementError, match="more values than it has cells"):
        read_spaceranger(tmp_path / "s")


def test_an_mtx_that_does_not_fit_its_names(tmp_path: Path, counts: np.ndarray) -> None:
    write_positions(tmp_path / "s", "tissue_positions_list.csv")
    write_10x_mtx(tmp_path / "s" / MATRIX, counts)
    with gzip.open(tmp_path / "s" / MATRIX / "features.tsv.gz", "at") as handle:
        handle.write("ENSG00000000001\tMORE\tGene Expression\n")
    with pytest.raises(MeasurementError, match=r"the matrix is \[5, 6\], its names are \[6, 6\]"):
        read_spaceranger(tmp_path / "s")


def test_h5_with_indices_out_of_bounds(spaceranger: Path) -> None:
    path = spaceranger / f"{MATRIX}.h5"
    with h5py.File(path, "a") as file:
        file["matrix/indices"][0] = 4_000_000
    with pytest.raises(MeasurementError, match="damaged or not of the expected kind"):
        read_10x_h5(path)


def test_bin_sizes_of_visium_hd(tmp_path: Path, counts: np.ndarray) -> None:
    write_hd(tmp_path / "HD/outs", counts)
    sizes = ("square_002um", "square_008um", "square_016um")
    for folder in ("HD", "HD/outs", "HD/outs/binned_outputs"):
        with pytest.raises(MeasurementError, match=", ".join(sizes)) as caught:
            read_spaceranger(tmp_path / folder)
        assert caught.value.alternatives == Alternatives("bin", sizes)
        for name in ("8", "008", "8um", "square_008um", "8 µm"):
            raw = read_spaceranger(tmp_path / folder, Choice(bin=name))
            assert raw.counts.toarray().tolist() == (counts[:5] * 2).tolist()
            assert raw.spot_diameter == pytest.approx(29.2)
            assert "Bin size square_008um was read, one of 3." in raw.notes
    with pytest.raises(MeasurementError, match="holds no bin size 'square_004um'"):
        read_spaceranger(tmp_path / "HD", Choice(bin="4"))
    alone = read_spaceranger(tmp_path / "HD/outs/binned_outputs/square_016um")
    assert alone.counts.sum() == counts[:5].sum() * 3


def test_samples_with_bin_sizes_need_both_choices(tmp_path: Path, counts: np.ndarray) -> None:
    write_hd(tmp_path / "A/outs", counts)
    write_hd(tmp_path / "B/outs", counts * 10)
    with pytest.raises(MeasurementError, match=r"2 samples \(A, B\)"):
        read_spaceranger(tmp_path, Choice(bin="8"))
    with pytest.raises(MeasurementError, match="3 bin sizes"):
        read_spaceranger(tmp_path, Choice(sample="B"))
    raw = read_spaceranger(tmp_path, Choice(sample="B", bin="8"))
    assert raw.counts.sum() == counts[:5].sum() * 20


@pytest.mark.parametrize("option", ["bin", "library"])
def test_a_choice_of_nothing(spaceranger: Path, option: str) -> None:
    with pytest.raises(MeasurementError, match=f"nothing to choose by --{option}; leave it out"):
        read_spaceranger(spaceranger, Choice(**{option: "8"}))


def test_too_many_bins(spaceranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histospace_core.expression.tenx.MAX_BARCODES", 5)
    with pytest.raises(MeasurementError, match=r"6 barcodes \(at most 5\); give Visium HD in bins"):
        read_spaceranger(spaceranger)


def test_filtered_before_raw_of_the_same_run_only(spaceranger: Path, counts: np.ndarray) -> None:
    filtered, raw = spaceranger / f"{MATRIX}.h5", spaceranger / "raw_feature_bc_matrix.h5"
    shutil.copy(filtered, raw)
    write_10x_h5(filtered, counts[:4], barcodes=BARCODES[:4])
    assert read_spaceranger(spaceranger).spots == BARCODES[:4]
    write_10x_h5(raw, counts[1:], barcodes=BARCODES[1:])
    with pytest.raises(
        MeasurementError, match=r"raw_.*\.h5 has not, so they are of different runs"
    ):
        read_spaceranger(spaceranger)


def test_one_matrix_in_two_formats_must_be_the_same(spaceranger: Path, counts: np.ndarray) -> None:
    write_10x_mtx(spaceranger / MATRIX, counts)
    assert read_spaceranger(spaceranger).counts.sum() == counts[:5].sum()
    shutil.rmtree(spaceranger / MATRIX)
    write_10x_mtx(spaceranger / MATRIX, counts * 2)
    with pytest.raises(MeasurementError, match=r"\.h5 and .*/matrix\.mtx\.gz are not the same"):
        read_spaceranger(spaceranger)


def test_two_positions_of_one_section_must_agree(spaceranger: Path) -> None:
    POSITIONS.assign(pxl_col_in_fullres=0).to_csv(
        spaceranger / "spatial/tissue_positions_list.csv", index=False, header=False
    )
    with pytest.raises(MeasurementError, match=r"differs from tissue_positions\.csv"):
        read_spaceranger(spaceranger)


def test_a_matrix_packed_with_gzip(spaceranger: Path, counts: np.ndarray) -> None:
    path = spaceranger / f"{MATRIX}.h5"
    path.with_suffix(".h5.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert read_spaceranger(spaceranger).counts.toarray().tolist() == counts[:5].tolist()
    path.with_suffix(".h5.gz").write_bytes(b"\x1f\x8b and no more")
    with pytest.raises(MeasurementError, match="damaged or incomplete"):
        read_spaceranger(spaceranger)


def test_a_targeted_panel_is_named(spaceranger: Path) -> None:
    with h5py.File(spaceranger / f"{MATRIX}.h5", "a") as file:
        file["matrix/features/target_sets/Human Immunology"] = np.arange(1_056)
        file["matrix/features/target_sets/Probe Set v2"] = np.arange(17_943)
    assert [note for note in read_spaceranger(spaceranger).notes if "panel" in note] == [
        "The counts are of a targeted panel (Human Immunology, 1,056 genes), so library sizes are "
        "of that panel only."
    ]


def test_only_antibodies(spaceranger: Path) -> None:
    with h5py.File(spaceranger / f"{MATRIX}.h5", "a") as file:
        file["matrix/features/feature_type"][:] = b"Antibody Capture"
    with pytest.raises(MeasurementError, match="no feature is of the type Gene Expression"):
        read_spaceranger(spaceranger)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_reads_as_its_folder(spaceranger: Path, tmp_path: Path, mode: str) -> None:
    with tarfile.open(tmp_path / "s.tar.gz", mode) as archive:
        archive.add(spaceranger, "./sample/outs")
    packed, folder = read_measured(tmp_path / "s.tar.gz"), read_measured(spaceranger)
    assert (packed.X != folder.X).nnz == 0
    assert np.array_equal(packed.obsm["spatial"], folder.obsm["spatial"])
    assert packed.uns["histospace"]["source"] == "s.tar.gz"


def test_numbers_are_those_of_pandas_and_h5py(spaceranger: Path) -> None:
    """The same files, read by the plainest means there are, without this package."""
    with h5py.File(spaceranger / f"{MATRIX}.h5") as file:
        group = file["matrix"]
        parts = (group["data"][()], group["indices"][()], group["indptr"][()])
        table = pd.DataFrame.sparse.from_spmatrix(
            sparse.csc_matrix(parts, shape=group["shape"][()]).T,
            index=group["barcodes"].asstr()[()],
            columns=group["features/name"].asstr()[()],
        )
    places = pd.read_csv(spaceranger / "spatial/tissue_positions.csv", index_col=0)
    raw = read_spaceranger(spaceranger)
    for spot, row, centre in zip(raw.spots, raw.counts.toarray(), raw.centres, strict=True):
        assert table.loc[spot, raw.names].tolist() == row.tolist()
        place = places.loc[spot]
        assert centre.tolist() == [place["pxl_col_in_fullres"], place["pxl_row_in_fullres"]]


@pytest.mark.shared
def test_visium_brain_loads_with_spots_on_tissue(shared: Path, tmp_path: Path) -> None:
    """The real positions and real counts, with the real image x 0.1 to check them against."""
    source = shared / "visium_mouse_brain"
    folder = tmp_path / "V1_Adult_Mouse_Brain"
    (folder / "spatial").mkdir(parents=True)
    for name in ("tissue_positions_list.csv", "scalefactors_json.json"):
        shutil.copy(source / name, folder / "spatial" / name)
    with gzip.open(source / "visium_DG_expr.txt.gz", "rt") as handle:
        barcodes = handle.readline().split()
        rows = [line.split() for line in handle]
    genes = [row[0] for row in rows]
    csr = sparse.csr_matrix(np.array([row[1:] for row in rows], dtype=int).T)
    with h5py.File(folder / f"{MATRIX}.h5", "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        group["barcodes"] = np.array(barcodes, dtype="S")
        group["features/id"] = group["features/name"] = np.array(genes, dtype="S")
    adata = read_measured(folder)
    assert adata.shape == (624, 634)
    assert (adata.var["how"] != "unknown").mean() > 0.99
    assert adata.uns["histospace"]["spot_diameter_px"] == pytest.approx(89.44, abs=0.01)

    positions = read_positions(source / "tissue_positions_list.csv")
    under = positions[positions["in_tissue"] == 1]
    whole = under[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy()
    with open_slide(source / "V1_Adult_Mouse_Brain_image_small.tif", mpp=3.9) as slide:
        tissue, size = find_tissue(slide), (slide.width * 10, slide.height * 10)
    downsample = (10 * tissue.downsample_x, 10 * tissue.downsample_y)
    assert check_alignment(adata.obsm["spatial"], tissue.mask, downsample, size).on_tissue > 0.98
    found = check_alignment(whole, tissue.mask, downsample, size)
    assert found.verdict == "aligned"
    assert found.on_tissue > 0.98
