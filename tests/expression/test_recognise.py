"""What a file is, by its content; every name here is wrong on purpose."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.measured import write_10x_h5
from PIL import Image

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured
from histospace_core.expression.h5ad import read_h5ad
from histospace_core.expression.recognise import recognise


def a_zip(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return content.getvalue()


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    save(content)
    return content.getvalue()


def a_tar(mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("outs/a"), io.BytesIO())
    return content.getvalue()


# R: serialize(), and save() which begins with a magic line
RDS = b"X\n\x00\x00\x00\x03\x00\x04\x03\x02\x00\x03\x05\x00" + bytes(50)
TABLE = b"\tERBB2\n1x1\t3\n"
IMAGE = Image.new("RGB", (8, 8))
FOREIGN = {
    "RDS": (gzip.compress(RDS), "an R object"),
    "RDS without compression": (RDS, "an R object"),
    "RDS, xz": (lzma.compress(RDS), "an R object"),
    "RDS, bzip2": (bz2.compress(RDS), "an R object"),
    "RData": (gzip.compress(b"RDX3\n" + RDS), "an R object"),
    "xlsx": (a_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
    "docx": (a_zip("[Content_Types].xml", "word/document.xml"), "a Word document"),
    "Xenium manifest": (
        b'{"analysis_sw_version": "xenium-3.0", "pixel_size": 0.2125}',
        "the description of a Xenium run; give the folder",
    ),
    "ods": (a_zip("mimetype", "content.xml"), "an OpenDocument file"),
    "npz": (saved(lambda f: np.savez(f, a=np.ones(3))), "NumPy arrays"),
    "npy": (saved(lambda f: np.save(f, np.ones(3))), "a NumPy array"),
    "parquet": (saved(pd.DataFrame({"a": [1]}).to_parquet), "a Parquet table"),
    "feather": (saved(pd.DataFrame({"a": [1]}).to_feather), "a Feather"),
    "pickle": (np.ones(3).dumps(), "a Python pickle"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "HTML": (b"\n<!DOCTYPE html><html>", "a web page"),
    "JSON": (json.dumps({"a": 1}).encode(), "a JSON file"),
    "PNG": (saved(lambda f: IMAGE.save(f, "png")), "an image"),
    "JPEG": (saved(lambda f: IMAGE.save(f, "jpeg")), "an image"),
    "TIFF": (saved(lambda f: IMAGE.save(f, "tiff")), "an image"),
    "cloupe": (b'{"version":"4.0.0","indexBlock":{"start":4096,"end":9}}', "Loupe browser"),
    "mtx": (gzip.compress(b"%%MatrixMarket matrix coordinate\n"), "without names and positions"),
    "series matrix": (gzip.compress(b'!Series_title\t"x"\n'), "series matrix of GEO"),
    "packed HDF5": (gzip.compress(b"\x89HDF\r\n\x1a\n"), "packed with gzip; unpack it first"),
    "packed twice": (gzip.compress(gzip.compress(TABLE)), "cannot be read as a table"),
    "table, xz": (lzma.compress(TABLE), "packed with xz; unpack it first"),
    "table, zstd": (b"\x28\xb5\x2f\xfd\x24", "packed with zstd"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_programs_are_named(tmp_path: Path, kind: str) -> None:
    content, message = FOREIGN[kind]
    for name in ("GSM123_counts.tsv.gz", "section.h5ad"):
        (tmp_path / name).write_bytes(content)
        (tmp_path / "spots.tsv").write_text("x\ty\tpixel_x\tpixel_y\n1\t1\t5\t5\n")
        with pytest.raises(MeasurementError, match=f"^{name}: .*{message}"):
            read_measured(tmp_path / name, tmp_path / "spots.tsv")


@pytest.mark.parametrize("kind", ["RDS", "xlsx", "PDF"])
def test_as_a_spot_file_they_are_named_too(tmp_path: Path, kind: str) -> None:
    content, message = FOREIGN[kind]
    (tmp_path / "counts.tsv").write_bytes(TABLE)
    (tmp_path / "spots.tsv").write_bytes(content)
    with pytest.raises(MeasurementError, match=rf"^spots\.tsv: .*{message}"):
        read_measured(tmp_path / "counts.tsv", tmp_path / "spots.tsv")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (TABLE, "table"),
        (gzip.compress(TABLE), "table"),
        (TABLE.decode().encode("utf-16"), "table"),
        (a_zip("outs/spatial/tissue_positions.csv"), "zip"),
        (a_zip(), "zip"),
        (a_tar(), "tar"),
        (a_tar("w:gz"), "tar"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n", "hdf5"),
    ],
    ids=range(9),  # the bytes hold the time, and every process must collect the same names
)
def test_readable_kinds(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "any.rds").write_bytes(content)
    assert recognise(tmp_path / "any.rds") == kind
    assert recognise(tmp_path) == "folder"


def test_an_unreadable_gzip_says_so(tmp_path: Path) -> None:
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(TABLE)[:12])
    with pytest.raises(MeasurementError, match="packed with gzip and cannot be read"):
        recognise(tmp_path / "cut.tsv.gz")


HDF5 = {
    "loom": (("matrix", "row_attrs/Gene", "col_attrs/CellID"), "a loom file"),
    "MuData": (("mod/rna/X", "mod/prot/X", "obs/a", "var/a"), "MuData .* modalities prot, rna"),
    "h5Seurat": (("assays/RNA/counts", "meta.data/a"), "an h5Seurat file"),
    "molecules": (("barcode_idx", "umi", "gem_group"), "molecule_info.h5 of 10x"),
    "Stereo-seq": (("geneExp/bin1/expression",), "a GEF file"),
    "other": (("values",), "not an AnnData file"),
}


@pytest.mark.parametrize("kind", HDF5)
def test_hdf5_of_other_programs_is_named(tmp_path: Path, kind: str) -> None:
    names, message = HDF5[kind]
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        for name in names:
            file[name] = np.zeros((2, 2))
    with pytest.raises(MeasurementError, match=rf"^a\.h5ad: .*{message}"):
        read_h5ad(tmp_path / "a.h5ad")


@pytest.mark.parametrize("version", [2, 3])
def test_a_10x_matrix_by_any_name(tmp_path: Path, version: int) -> None:
    write_10x_h5(tmp_path / "a.h5ad", np.ones((6, 5), dtype=int), version)
    with pytest.raises(MeasurementError, match="a 10x matrix has no positions"):
        read_h5ad(tmp_path / "a.h5ad")


def test_an_h5ad_named_h5_is_read(tmp_path: Path) -> None:
    adata = AnnData(np.ones((2, 2)), obsm={"spatial": np.eye(2)})
    adata.write_h5ad(tmp_path / "filtered.h5")
    assert read_measured(tmp_path / "filtered.h5").n_obs == 2
