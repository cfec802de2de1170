"""A finished run whose tissue is known, written by the real writer."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from histospace_core.inference import RESEARCH_USE
from histospace_core.inference.store import PredictionWriter

SIDE = 24
TILE = 100.0
STROMA = ["COL1A1", "COL3A1", "COL6A1", "DCN"]
EPITHELIUM = ["KRT8", "KRT18", "KRT19", "EPCAM"]
OTHER = [f"GENE{i}" for i in range(12)]
GENES = [*STROMA, *EPITHELIUM, *OTHER]


def make_run(folder: Path, *, reliable: bool = True, seed: int = 0) -> np.ndarray:
    """Write a run of 24 x 24 tiles, a round tumour in stroma; return where the tumour is.

    Tile 0 could not be read; the last row looks unlike the training tissue; one gene of each
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
            "domain_score": np.where(places[:, 1] == SIDE - 1, 9.0, 0.2).astype(np.float32),
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
    record = {
        "notice": RESEARCH_USE,
        "slide": {"name": "s", "sha256": "ab" * 32, "width": edge, "height": edge, "mpp": 0.5},
        "model": {"name": "small", "expression_unit": "log10_cp10k"},
        "tiles": {"side_level0_px": TILE, "stride_level0_px": TILE},
        "domain": {"share_outside": 1 / SIDE, "median_score": 0.2, "warning": ""},
    }
    with PredictionWriter(folder, len(values), len(GENES), {"test": seed}) as out:
        out.write(values, obs)
        out.finish(out.obs(), var, centres.astype(float), record)
    return tumour
