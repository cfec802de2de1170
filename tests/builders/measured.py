"""Write the files of 10x as their programs write them."""

import gzip
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmwrite

GENES = ["ERBB2", "KRT8", "COL1A1", "CD74", "ADIPOQ"]
IDS = [
    "ENSG00000141736",
    "ENSG00000170421",
    "ENSG00000108821",
    "ENSG00000019582",
    "ENSG00000181092",
]
BARCODES = [f"{base * 8}ACGTACGT-1" for base in "ACGT"] + [
    "AACCGGTTACGTACGT-1",
    "TTGGCCAAACGTACGT-1",
]
POSITIONS = pd.DataFrame(
    {
        "barcode": BARCODES,
        "in_tissue": [1, 1, 1, 1, 1, 0],
        "array_row": range(6),
        "array_col": range(6),
        "pxl_row_in_fullres": np.arange(6) * 100 + 1000,
        "pxl_col_in_fullres": np.arange(6) * 10 + 500,
    }
)


def write_10x_h5(
    path: Path, counts: np.ndarray, version: int = 3, barcodes: list[str] = BARCODES
) -> None:
    """Write spots x genes as a 10x matrix file."""
    csr = sparse.csr_matrix(counts)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        group["data"], group["indices"], group["indptr"] = csr.data, csr.indices, csr.indptr
        group["shape"] = np.array(csr.shape[::-1])
        group["barcodes"] = np.array(barcodes, dtype="S")
        names, ids = np.array(GENES, dtype="S"), np.array(IDS, dtype="S")
        if version == 3:
            features = group.create_group("features")
            features["id"], features["name"] = ids, names
            features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
        else:
            group["genes"], group["gene_names"] = ids, names


def write_10x_mtx(folder: Path, counts: np.ndarray) -> None:
    """Write spots x genes as a 10x folder."""
    folder.mkdir(parents=True)
    with gzip.open(folder / "matrix.mtx.gz", "wb") as handle:
        mmwrite(handle, sparse.coo_matrix(counts.T))
    with gzip.open(folder / "barcodes.tsv.gz", "wt") as handle:
        handle.write("\n".join(BARCODES) + "\n")
    with gzip.open(folder / "features.tsv.gz", "wt") as handle:
        rows = [f"{i}\t{name}\tGene Expression" for i, name in zip(IDS, GENES, strict=True)]
        handle.write("\n".join(rows) + "\n")


def write_positions(folder: Path, variant: str) -> None:
    """Write POSITIONS as one of the three files of Space Ranger."""
    folder.mkdir(parents=True, exist_ok=True)
    if variant.endswith(".parquet"):
        POSITIONS.to_parquet(folder / variant, index=False)
    else:
        POSITIONS.to_csv(folder / variant, index=False, header=variant == "tissue_positions.csv")
