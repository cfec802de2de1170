"""Spatial structure: structured maps above scattered ones, tiles without a value left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.records import run_record

from histospace_core.evaluation.spatial import morans_i
from histospace_core.inference import open_prediction
from histospace_core.inference import spatial_structure as structure
from histospace_core.inference.store import write_matrix, write_tables


def test_structure_is_told_from_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y, x = np.divmod(np.arange(400), 20)
    centres = np.column_stack([x, y]) * 100.0
    values = np.column_stack([x / 20, rng.random(400), np.ones(400)]).astype(np.float32)
    values[7] = np.nan
    genes = pd.DataFrame({"reliable": True}, index=pd.Index(["slope", "noise", "flat"]))
    obs = pd.DataFrame({"qc": "ok"}, index=[f"tile{i}" for i in range(400)])
    write_matrix(tmp_path, values.__getitem__, values.shape, dtype="float32")
    write_tables(tmp_path, obs, genes, centres, run_record())
    prediction = open_prediction(tmp_path)
    found = structure.spatial_structure(prediction)
    assert found["slope"] > 0.8
    assert abs(found["noise"]) < 0.15
    assert np.isnan(found["flat"])
    usable = np.isfinite(values[:, 0])
    np.testing.assert_allclose(found, morans_i(values[usable], centres[usable]))
    monkeypatch.setattr(structure, "_AT_ONCE", 500)  # one gene at a time gives the same
    pd.testing.assert_series_equal(structure.spatial_structure(prediction), found)
