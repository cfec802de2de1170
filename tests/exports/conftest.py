"""A prediction as a finished run leaves it, written by the real writer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.records import run_record

from histospace_core.inference import Prediction, open_prediction
from histospace_core.inference.store import write_matrix, write_overview, write_tables

GENES = ["ERBB2", "=1+1", "COL1A1"]


@pytest.fixture
def prediction(tmp_path: Path) -> Prediction:
    """Six tiles of 50 um at 0.5 um/px, the last one unreadable; one gene has a hostile name."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.1, 1.0, (6, 3)).astype(np.float32)
    values[5] = np.nan
    values[0] = [1 / 3, -2.5, 1e-7]
    x, y = np.meshgrid([50.0, 150.0, 250.0], [50.0, 150.0])
    centres = np.column_stack([x.ravel(), y.ravel()])
    obs = pd.DataFrame({"qc": ["ok"] * 5 + ["unreadable"], "domain_score": np.float32(0.5)})
    var = pd.DataFrame(
        {
            "gene_id": "",
            "held_out_pearson": [0.3, 0.1, np.nan],
            "ci_low": 0.0,
            "ci_high": 0.4,
            "mse_ratio_to_mean": [0.9, 1.1, 1.0],
            "reliable": [True, False, False],
            "training_mean": np.float32(0.2),
        },
        index=pd.Index(GENES, name="gene"),
    )
    obs.index = pd.Index([f"tile{i:06d}" for i in range(6)], name="tile")
    (tmp_path / "run").mkdir()
    write_overview(tmp_path / "run", rng.integers(0, 255, (20, 30, 3)).astype(np.uint8))
    write_matrix(tmp_path / "run", values.__getitem__, (6, 3), dtype="float32")
    write_tables(tmp_path / "run", obs, var, centres, run_record())
    return open_prediction(tmp_path / "run")
