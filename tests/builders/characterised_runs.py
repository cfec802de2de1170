"""A finished run whose tissue is known, written by the real writer."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from anndata import AnnData
from builders.records import run_record
from scipy import ndimage, sparse

from histospace_core.comparison.compare import Comparison, compare_run
from histospace_core.inference import open_prediction
from histospace_core.inference.store import write_matrix, write_tables

SIDE = 24
TILE = 100.0
STROMA = ["COL1A1", "COL3A1", "COL6A1", "DCN"]
EPITHELIUM = ["KRT8", "KRT18", "KRT19", "EPCAM"]
OTHER = [f"GENE{i}" for i in range(12)]
GENES = [*STROMA, *EPITHELIUM, *OTHER]


def make_run(
    folder: Path,
    *,
    reliable: bool = True,
    signatures: Mapping[str, dict] = MappingProxyType({}),
    foreign_rows: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Write a run of 24 x 24 tiles, a round tumour in stroma; return where the tumour is.

    Tile 0 could not be read; the last rows look unlike the training tissue; one gene of each
    signature and half of the others are not reliable.
    """
    rng = np.random.default_rng(seed)
    places = np.argwhere(np.ones((SIDE, SIDE)))[:, ::-1]
    centres = places * TILE + TILE / 2
    tumour = np.hypot(*(places - [9, 12]).T) < 7
    noise = ndimage.gaussian_filter(rng.normal(size=(len(GENES), SIDE, SIDE)), (0, 1, 1))
    values = noise.reshape(len(GENES), -1).T.astype(np.float32) + 1
    values[:, :4] += 0.8 * ~tumour[:, None]
    values[:, 4:8] += 0.8 * tumour[:, None]
    values[0] = np.nan
    trusted = np.ones(len(GENES), bool)
    trusted[[3, 7]] = False
    trusted[14:] = False
    obs = pd.DataFrame(
        {
            "qc": ["unreadable"] + ["ok"] * (len(values) - 1),
            "domain_score": np.where(places[:, 1] >= SIDE - foreign_rows, 9.0, 0.2).astype(
                np.float32
            ),
        }
    )
    var = pd.DataFrame(
        {
            "gene_id": "",
            "held_out_pearson": 0.3,
            "ci_low": 0.1,
            "ci_high": 0.5,
            "mse_ratio_to_mean": 0.9,
            "reliable": trusted & reliable,
            "training_mean": np.float32(1),
        },
        index=pd.Index(GENES, name="gene"),
    )
    edge = SIDE * int(TILE)
    record = run_record(
        slide={"width": edge, "height": edge},
        model={"signatures": dict(signatures)},
        tiles={"side_level0_px": TILE, "stride_level0_px": TILE},
        domain={"share_outside": 1 / SIDE, "median_score": 0.2},
    )
    obs.index = pd.Index([f"tile{i:06d}" for i in range(len(values))], name="tile")
    folder.mkdir()
    write_matrix(folder, values.__getitem__, values.shape)
    write_tables(folder, obs, var, centres.astype(float), record)
    return tumour


def compare(run: Path, out: Path, seed: int = 0) -> Comparison:
    """Compare a made run with counts drawn from its own maps, a spot on every other tile."""
    rng = np.random.default_rng(seed)
    prediction = open_prediction(run)
    rows = np.flatnonzero((prediction.centres / TILE).astype(int).sum(1) % 2 == 1)
    share = 10 ** np.nan_to_num(prediction.matrix(rows), nan=1.0)
    counts = rng.poisson(share * rng.uniform(3, 9, (len(rows), 1)))
    measured = AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        var=pd.DataFrame({"gene_id": ""}, index=GENES),
        obsm={"spatial": prediction.centres[rows]},
    )
    measured.obs["total_counts"] = counts.sum(1).astype(float)
    return compare_run(run, measured, out)
