"""Space Ranger folders and zips: all position variants, h5 and mtx."""

import gzip
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from builders.measured import (
    BARCODES,
    GENES,
    POSITIONS,
    write_10x_h5,
    write_10x_mtx,
    write_positions,
)
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import check_alignment, read_measured
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
