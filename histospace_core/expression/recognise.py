"""Tell by its first bytes what a file is, whatever its name; name those of other programs."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import h5py

from histospace_core.errors import MeasurementError
from histospace_core.expression.foreign import TO_TABLE, refusal, refuse_foreign
from histospace_core.expression.xenium import find_xenium
from histospace_core.expression.zarr_store import ROOT_FILES

START = 8192  # bytes looked at; a HDF5 file of MATLAB begins after 512
HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is an empty zip
WHOLE = "give the Space Ranger folder with filtered_feature_bc_matrix.h5 and `spatial`"
PICKLES = tuple(bytes([0x80, version]) for version in range(2, 6))
OFFICE = {
    "xl/": ("an Excel workbook", "save the sheet as CSV"),
    "word/": ("a Word document", TO_TABLE),
    "ppt/": ("a presentation", TO_TABLE),
    "content.xml": ("an OpenDocument file", "save the sheet as CSV"),
}
UNPACKERS: dict[bytes, tuple[str, Callable[[Path], object]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ": ("xz", lzma.open),
}


def recognise(path: Path) -> str:
    """Return the kind of a file or folder.

    "folder" (of Space Ranger), "xenium" or "spatialdata" for a folder; "zip", "tar", "hdf5" or
    "table" (text, perhaps packed with gzip) for a file.

    Raises
    ------
    MeasurementError
        The file is empty, cannot be read, or is of a kind that holds no readable measurement; the
        sentence names the kind.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in ROOT_FILES):
            return "spatialdata"
        return "xenium" if find_xenium(path) else "folder"
    try:
        with path.open("rb") as handle:
            start = handle.read(START)
    except OSError as error:
        raise MeasurementError(f"the file cannot be read ({error.strerror}).", path=path) from error
    if not start:
        raise MeasurementError("the file is empty.", path=path)
    for magic, (program, unpacker) in UNPACKERS.items():
        if start.startswith(magic):
            return _packed(path, program, unpacker)
    return _kind(start, path)


def _packed(path: Path, program: str, unpacker: Callable[[Path], object]) -> str:
    """Return the kind of what was packed as one stream, if it can be read so."""
    try:
        with cast(BinaryIO, unpacker(path)) as content:
            inner = content.read(START)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = str(error) or "it is incomplete"
        raise MeasurementError(
            f"the file is packed with {program} and cannot be read ({reason}).", path=path
        ) from error
    kind = _kind(inner, path) if inner else "table"
    if kind == "tar" or (kind == "table" and program == "gzip"):
        return kind
    raise MeasurementError(
        f"the file is packed with {program}",
        path=path,
        remedy="unpack it first",
    )


def _kind(start: bytes, path: Path) -> str:
    if start.startswith(ZIP):
        _refuse_documents(path)
        return "zip"
    if any(start[at : at + 8] == HDF5 for at in (0, 512, 1024, 2048)):
        return "hdf5"
    if start[257:262] == b"ustar":
        return "tar"
    refuse_foreign(start, path)
    stripped = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(PICKLES) and start[2:3] in b"\x95}(c]\x8aX":
        raise refusal("a Python pickle, which may run code and is never opened", path, TO_TABLE)
    if stripped.startswith(b"{") and b"indexBlock" in start:
        raise refusal("a file of the Loupe browser (.cloupe)", path, "give the Space Ranger folder")
    if stripped.startswith(b"{") and b'"pixel_size"' in start and b"xenium" in start.lower():
        raise refusal("the description of a Xenium run", path, "give the folder that holds it")
    if stripped.startswith((b"{", b'["', b"[{", b"[[")):
        raise refusal("a JSON file", path, TO_TABLE)
    return "table"


def _refuse_documents(path: Path) -> None:
    """Refuse a zip that is a document or an array."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return  # the reader of zips says what is wrong
    if "[Content_Types].xml" in names or "mimetype" in names:
        for begin, (what, remedy) in OFFICE.items():
            if any(name.startswith(begin) for name in names):
                raise refusal(what, path, remedy)
    if names and all(name.endswith(".npy") for name in names):
        raise refusal("a file of NumPy arrays (.npz)", path, TO_TABLE)


def refuse_other_hdf5(file: h5py.File, path: Path) -> None:
    """Name a HDF5 file that is not AnnData.

    Raises
    ------
    MeasurementError
        Always.
    """
    have = set(file)
    table = file.get("matrix")
    if isinstance(table, h5py.Dataset) and {"row_attrs", "col_attrs"} <= have:
        raise refusal("a loom file", path, "save it as .h5ad with obsm['spatial']")
    if any(isinstance(g, h5py.Group) and {"barcodes", "indptr"} <= set(g) for g in file.values()):
        raise MeasurementError(
            "a 10x matrix has no positions",
            path=path,
            remedy="give the Space Ranger folder (or a zip of it) that holds this file and the "
            "`spatial` folder",
        )
    modalities = file.get("mod")
    if isinstance(modalities, h5py.Group) and len(modalities):
        shown = ", ".join(list(modalities)[:8])
        raise refusal(
            f"MuData (.h5mu) of the modalities {shown}",
            path,
            "save the one with the genes as .h5ad",
        )
    for keys, what, remedy in (
        ({"assays", "meta.data"}, "an h5Seurat file", "convert it to .h5ad with its positions"),
        ({"barcode_idx", "umi"}, "molecule_info.h5 of 10x, a list of molecules", WHOLE),
        ({"feature_slices"}, "feature_slice.h5 of Visium HD, which holds images of genes", WHOLE),
        ({"geneExp"}, "a GEF file of Stereo-seq", "convert it to .h5ad"),
        ({"cellBin"}, "a GEF file of Stereo-seq", "convert it to .h5ad"),
    ):
        if keys <= have:
            raise refusal(what, path, remedy)
    raise MeasurementError(
        "not an AnnData file (obs or var is missing)",
        path=path,
        remedy="give an .h5ad that anndata or scanpy wrote",
    )
