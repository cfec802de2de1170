"""Count matrices as 10x writes them: one `.h5` file, or a folder with `matrix.mtx`."""

import gzip
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from histospace_core.errors import MeasurementError
from histospace_core.expression.hdf5 import open_hdf5

GENES = "Gene Expression"
Matrix = tuple[sparse.csr_matrix, list[str], list[str], list[str]]  # counts, spots, ids, names


def read_10x_h5(path: Path) -> Matrix:
    """Read a 10x `.h5` matrix of Cell Ranger 2 or later.

    Raises
    ------
    MeasurementError
        The file is hostile, damaged, or not a 10x matrix.
    """
    with open_hdf5(path) as file:
        group = file["matrix"] if "matrix" in file else _only_group(file, path)
        features = group.get("features", group)
        ids = _strings(features["id"] if "id" in features else features["genes"])
        names = _strings(features["name"] if "name" in features else features["gene_names"])
        kinds = _strings(features["feature_type"]) if "feature_type" in features else None
        barcodes = _strings(group["barcodes"])
        shape = (len(barcodes), len(ids))
        # stored as CSC of genes x barcodes, which is CSR of barcodes x genes
        parts = (group["data"][()], group["indices"][()], group["indptr"][()])
        counts = sparse.csr_matrix(parts, shape=shape, dtype=np.float64)
        counts.check_format(full_check=True)  # damaged indices would read outside the arrays
        if len(names) != len(ids) or (kinds is not None and len(kinds) != len(ids)):
            raise ValueError("features of different lengths")  # `open_hdf5` translates it
    return _genes_only(counts, barcodes, ids, names, kinds)


def _only_group(file: h5py.File, source: Path) -> h5py.Group:
    # Cell Ranger 2 names the group after the genome
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    if len(groups) != 1 or "barcodes" not in groups[0]:
        raise MeasurementError("not a 10x count matrix (it has no group `matrix`).", path=source)
    return groups[0]


def _strings(dataset: h5py.Dataset) -> list[str]:
    return [str(value) for value in dataset.asstr()[()]]


def read_10x_mtx(path: Path) -> Matrix:
    """Read a 10x folder `matrix.mtx(.gz)`, `features.tsv(.gz)` or `genes.tsv`, `barcodes.tsv(.gz)`.

    Raises
    ------
    MeasurementError
        A file is missing or damaged, or does not match the others.
    """
    try:
        features = _tsv(path.parent, "features.tsv.gz", "features.tsv", "genes.tsv")
        barcodes = _tsv(path.parent, "barcodes.tsv.gz", "barcodes.tsv")[0].tolist()
        _refuse_header(path, (len(features), len(barcodes)))
        counts = sparse.csr_matrix(mmread(path)).T.tocsr()  # 10x writes genes x barcodes
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise MeasurementError(
            f"the matrix folder is damaged or incomplete ({str(error).splitlines()[0][:120]})",
            path=path.parent,
            remedy="copy it again",
        ) from error
    ids, names = features[0].tolist(), features[min(1, features.shape[1] - 1)].tolist()
    kinds = features[2].tolist() if features.shape[1] > 2 else None
    return _genes_only(counts.astype(np.float64), barcodes, ids, names, kinds)


def _tsv(folder: Path, *names: str) -> pd.DataFrame:
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise ValueError(f"{names[0]} is missing")
    # a name such as NA is text, not a missing value
    return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)


def _refuse_header(path: Path, shape: tuple[int, int]) -> None:
    """Compare the declared size with that of the other files, before memory is allocated for it."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as handle:
        for _ in range(1_000):  # bounded, like the line: the file may consist of comments
            line = handle.readline(2**16)
            if not line.startswith("%"):
                break
    declared = [int(word) for word in line.split()]
    if tuple(declared[:2]) != shape:
        raise ValueError(f"the matrix is {declared[:2]}, its names are {list(shape)}")
    if len(declared) != 3 or not 0 <= declared[2] <= min(shape[0] * shape[1], 2**31):
        raise ValueError("the matrix declares more values than it has cells")


def _genes_only(
    counts: sparse.csr_matrix,
    barcodes: list[str],
    ids: list[str],
    names: list[str],
    kinds: list[str] | None,
) -> Matrix:
    """Leave out antibodies and other features that are not genes."""
    keep = [i for i in range(len(ids)) if kinds is None or kinds[i] == GENES]
    if len(keep) < len(ids):
        counts = counts[:, keep]
    return counts, barcodes, [ids[i] for i in keep], [names[i] for i in keep]
