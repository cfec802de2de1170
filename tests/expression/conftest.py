"""Small measurements in each format, written as the real programs write them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.measured import GENES, IDS, write_10x_h5, write_positions
from scipy import sparse


@pytest.fixture
def counts() -> np.ndarray:
    """Counts of 6 spots x 5 genes; every spot and gene has some."""
    return np.random.default_rng(0).poisson(3, (6, 5)) + np.eye(6, 5, dtype=int)


@pytest.fixture
def legacy(tmp_path: Path, counts: np.ndarray) -> tuple[Path, Path]:
    """Legacy ST: a counts table and its spot file (spot 1x5 is not selected)."""
    spots = [(x, y) for y in (5, 6) for x in (1, 2, 3)]
    table = pd.DataFrame(counts, index=[f"{x}x{y}" for x, y in spots], columns=GENES)
    table.to_csv(tmp_path / "S.tsv.gz", sep="\t")
    positions = pd.DataFrame(spots, columns=["x", "y"])
    positions["new_x"], positions["new_y"] = positions["x"] + 0.1, positions["y"] - 0.1
    positions["pixel_x"], positions["pixel_y"] = positions["x"] * 290.5, positions["y"] * 291.25
    positions["selected"] = [0, 1, 1, 1, 1, 1]
    positions.to_csv(tmp_path / "S_selection.tsv", sep="\t", index=False)
    return tmp_path / "S.tsv.gz", tmp_path / "S_selection.tsv"


@pytest.fixture
def spaceranger(tmp_path: Path, counts: np.ndarray) -> Path:
    """A Space Ranger folder."""
    folder = tmp_path / "outs"
    write_positions(folder / "spatial", "tissue_positions.csv")
    write_10x_h5(folder / "filtered_feature_bc_matrix.h5", counts)
    scale = {"spot_diameter_fullres": 89.4, "tissue_hires_scalef": 0.17}
    (folder / "spatial" / "scalefactors_json.json").write_text(json.dumps(scale))
    return folder


@pytest.fixture
def write_h5ad(tmp_path: Path, counts: np.ndarray) -> Callable[..., Path]:
    """Write an h5ad of `counts`; keyword arguments replace parts of it, None leaves one out."""

    def write(name: str = "S.h5ad", **parts: object) -> Path:
        default: dict[str, object] = {
            "X": sparse.csr_matrix(counts.astype(np.float32)),
            "obs": pd.DataFrame(index=[f"spot{i}" for i in range(len(counts))]),
            "var": pd.DataFrame({"gene_ids": IDS}, index=GENES),
            "obsm": {"spatial": np.arange(12.0).reshape(6, 2)},
        }
        adata = AnnData(**{k: v for k, v in {**default, **parts}.items() if v is not None})
        adata.write_h5ad(tmp_path / name)
        return tmp_path / name

    return write
