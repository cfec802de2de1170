"""Count matrices as 10x writes them: one `.h5` file, or `matrix.mtx` with its two lists."""

import gzip
import re
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmread

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import WHOLE
from histospace_core.expression.foreign import refuse_foreign
from histospace_core.expression.hdf5 import MAX_BYTES, open_hdf5
from histospace_core.expression.packed import is_packed, open_unpacked

GENES = "Gene Expression"
MAX_BARCODES = 4_000_000  # Visium HD at 8 um has under a million, at 2 um 11 million


@dataclass
class Matrix:
    """A count matrix of genes.

    Attributes
    ----------
    counts : (n_barcodes, n_genes) CSR matrix.
    barcodes : n_barcodes barcodes.
    ids, names : n_genes Ensembl ids and symbols.
    notes : sentences about what was left out, or what the matrix does not hold.
    """

    counts: sparse.csr_matrix
    barcodes: list[str]
    ids: list[str]
    names: list[str]
    notes: list[str] = field(default_factory=list)


def read_10x(path: Path) -> Matrix:
    """Read a count matrix: `.h5`, `.h5.gz`, or the `matrix.mtx(.gz)` beside its two lists.

    Raises
    ------
    MeasurementError
        The matrix is hostile, damaged, incomplete or too large.
    """
    return read_10x_mtx(path) if is_mtx(path) else read_10x_h5(path)


def is_mtx(path: Path) -> bool:
    """Return whether the name is that of a Matrix Market file, compressed or not."""
    return path.name.casefold().removesuffix(".gz").endswith(".mtx")


def read_barcodes(path: Path) -> list[str]:
    """Read only the barcodes of a count matrix.

    Raises
    ------
    MeasurementError
        As `read_10x`.
    """
    if is_mtx(path):
        with _readable(path):
            return _list(path, "barcodes")[0].tolist()
    with _open(path) as file:
        return _strings(_matrix(file, path)["barcodes"])


def read_10x_h5(path: Path) -> Matrix:
    """Read a 10x `.h5` matrix of Cell Ranger 2 or later.

    Raises
    ------
    MeasurementError
        The file is hostile, damaged, too large or not a 10x matrix.
    """
    with _open(path) as file:
        group = _matrix(file, path)
        features = group.get("features", group)
        ids = _strings(features["id"] if "id" in features else features["genes"])
        names = _strings(features["name"] if "name" in features else features["gene_names"])
        kinds = _strings(features["feature_type"]) if "feature_type" in features else None
        _refuse_many(group["barcodes"].shape[0], path)
        barcodes = _strings(group["barcodes"])
        shape = (len(barcodes), len(ids))
        # stored as CSC of genes x barcodes, which is CSR of barcodes x genes
        parts = (group["data"][()], group["indices"][()], group["indptr"][()])
        counts = sparse.csr_matrix(parts, shape=shape, dtype=np.float64)
        counts.check_format(full_check=True)  # damaged indices would read outside the arrays
        if len(names) != len(ids) or (kinds is not None and len(kinds) != len(ids)):
            raise ValueError("features of different lengths")  # `open_hdf5` translates it
        targets = features.get("target_sets", {})
        panel = {name: targets[name].shape[0] for name in targets}
    return _genes_only(Matrix(counts, barcodes, ids, names), kinds, path, panel)


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    if not is_packed(path):
        with open_hdf5(path) as file:
            yield file
        return
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        plain = Path(folder, path.name.removesuffix(".gz"))
        with _readable(path), gzip.open(path) as file, plain.open("wb") as out:
            while piece := file.read(2**20):
                out.write(piece)
                if out.tell() > MAX_BYTES:
                    raise ValueError("it unpacks to more than any matrix has")
        with open_hdf5(plain) as file:
            yield file


def _matrix(file: h5py.File, source: Path) -> h5py.Group:
    if "matrix" in file:
        return file["matrix"]
    # Cell Ranger 2 names the group after the genome
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    if len(groups) != 1 or "barcodes" not in groups[0]:
        raise MeasurementError("not a 10x count matrix (it has no group `matrix`).", path=source)
    return groups[0]


def _strings(dataset: h5py.Dataset) -> list[str]:
    return [str(value) for value in dataset.asstr()[()]]


def read_10x_mtx(path: Path) -> Matrix:
    """Read `matrix.mtx(.gz)` with its `features.tsv` (or `genes.tsv`) and `barcodes.tsv`.

    The lists may be compressed, and bear the same prefix as the matrix.

    Raises
    ------
    MeasurementError
        A file is missing or damaged, or does not match the others.
    """
    with _readable(path):
        features = _list(path, "features", "genes")
        barcodes = _list(path, "barcodes")[0].tolist()
        _refuse_many(len(barcodes), path)
        _refuse_header(path, (len(features), len(barcodes)))
        with open_unpacked(path) as file:
            counts = sparse.csr_matrix(mmread(file)).T.tocsr()  # 10x writes genes x barcodes
    ids, names = features[0].tolist(), features[min(1, features.shape[1] - 1)].tolist()
    kinds = features[2].tolist() if features.shape[1] > 2 else None
    return _genes_only(Matrix(counts.astype(np.float64), barcodes, ids, names), kinds, path, {})


@contextmanager
def _readable(path: Path, what: str = "matrix") -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise MeasurementError(
            f"the {what} is damaged or incomplete ({str(error).splitlines()[0][:120]})",
            path=path,
            remedy="copy it again",
        ) from error


def _list(matrix: Path, *names: str) -> pd.DataFrame:
    stem = re.sub(r"\.mtx(\.gz)?$", "", matrix.name, flags=re.IGNORECASE)
    at = stem.casefold().rindex("matrix")
    prefix, behind = stem[:at], stem[at + len("matrix") :]
    wanted = [f"{prefix}{n}{behind}.tsv{gz}".casefold() for n in names for gz in (".gz", "")]
    # any case, as the matrix itself
    beside = {p.name.casefold(): p for p in matrix.parent.iterdir() if p.is_file()}
    path = next((beside[name] for name in wanted if name in beside), None)
    if path is None:
        raise ValueError(f"{prefix}{names[0]}{behind}.tsv.gz is missing")
    with _readable(path, "list"):
        with open_unpacked(path) as file:
            refuse_foreign(file.read(512), path)
        with open_unpacked(path) as file:
            # a name such as NA is text, not a missing value
            return pd.read_csv(file, sep="\t", header=None, dtype=str, keep_default_na=False)


def _refuse_header(path: Path, shape: tuple[int, int]) -> None:
    """Compare the declared size with that of the other files, before memory is allocated for it."""
    with open_unpacked(path) as handle:
        line = handle.readline(2**16)
        if not line.startswith(b"%%MatrixMarket"):
            refuse_foreign(line, path)
            raise ValueError("it does not begin with %%MatrixMarket")
        for _ in range(1_000):  # bounded, like the line: the file may consist of comments
            line = handle.readline(2**16)
            if not line.startswith(b"%"):
                break
    declared = [int(word) for word in line.split()]
    if tuple(declared[:2]) != shape:
        raise ValueError(f"the matrix is {declared[:2]}, its names are {list(shape)}")
    if len(declared) != 3 or not 0 <= declared[2] <= min(shape[0] * shape[1], 2**31):
        raise ValueError("the matrix declares more values than it has cells")


def _refuse_many(n_barcodes: int, path: Path) -> None:
    if n_barcodes > MAX_BARCODES:
        raise MeasurementError(
            f"the matrix has {n_barcodes:,} barcodes (at most {MAX_BARCODES:,})",
            path=path,
            remedy="give Visium HD in bins of 8 or 16 um",
        )


def _genes_only(
    matrix: Matrix, kinds: list[str] | None, path: Path, panel: dict[str, int]
) -> Matrix:
    """Leave out antibodies and other features that are not genes; say what the rest is."""
    ids, names = matrix.ids, matrix.names
    keep = [i for i in range(len(ids)) if kinds is None or kinds[i] == GENES]
    other = sorted(set(kinds or ()) - {GENES})
    if not keep and other:
        raise MeasurementError(
            f"no feature is of the type {GENES} (but {', '.join(other)[:80]})",
            path=path,
            remedy="give the matrix of gene expression",
        )
    if len(keep) < len(ids):
        matrix.counts = matrix.counts[:, keep]
        matrix.ids, matrix.names = [ids[i] for i in keep], [names[i] for i in keep]
        matrix.notes.append(
            f"{len(ids) - len(keep)} features that are not genes were left out "
            f"({', '.join(other)[:80]})."
        )
    matrix.notes += [
        f"The counts are of a targeted panel ({name[:60]}, {size:,} genes), so library sizes are "
        "of that panel only."
        for name, size in panel.items()
        if size < WHOLE
    ]
    return matrix
