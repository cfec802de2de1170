import json

import anndata
import numpy as np
import pandas as pd
import pytest

from histospace_core.errors import StoreError
from histospace_core.exports import export_run
from histospace_core.inference import RESEARCH_USE


def test_h5ad_has_values_positions_scores_and_provenance(prediction, tmp_path):
    export_run(prediction.run_dir, "h5ad", tmp_path / "run.h5ad")
    table = anndata.read_h5ad(tmp_path / "run.h5ad")
    assert list(table.var_names) == prediction.genes
    np.testing.assert_array_equal(table[:, "ERBB2"].X.ravel(), prediction.gene("ERBB2")[:5])
    np.testing.assert_array_equal(table.obsm["spatial"], prediction.centres[:5])
    assert list(table.obs_names) == list(prediction.obs.index[:5]), (
        "the unreadable tile is left out"
    )
    assert table.var.loc["ERBB2", "held_out_pearson"] == 0.3
    assert table.uns["histospace"]["notice"] == RESEARCH_USE


def test_geojson_squares_are_the_tiles(prediction, tmp_path):
    export_run(prediction.run_dir, "geojson", tmp_path / "run.geojson", ["ERBB2"])
    content = json.loads((tmp_path / "run.geojson").read_text("utf-8"))
    assert content["use"] == RESEARCH_USE
    first, last = content["features"][0], content["features"][-1]
    ring = np.array(first["geometry"]["coordinates"][0])
    assert (ring[0] == ring[-1]).all(), "closed"
    np.testing.assert_array_equal(ring.min(axis=0), prediction.centres[0] - 50)
    np.testing.assert_array_equal(ring.max(axis=0), prediction.centres[0] + 50)
    assert first["properties"]["objectType"] == "detection"
    assert np.float32(first["properties"]["measurements"]["ERBB2"]) == prediction.gene("ERBB2")[0]
    assert "ERBB2" not in last["properties"]["measurements"], "unreadable: no value, not NaN"


def test_csv_of_all_genes_or_of_some(prediction, tmp_path):
    export_run(prediction.run_dir, "csv", tmp_path / "all.csv")
    export_run(prediction.run_dir, "csv", tmp_path / "one.csv", ["COL1A1"])
    assert {"ERBB2", "COL1A1", "'=1+1"} <= set(pd.read_csv(tmp_path / "all.csv"))
    assert "ERBB2" not in pd.read_csv(tmp_path / "one.csv")


@pytest.mark.parametrize(
    ("kind", "genes", "name", "said"),
    [
        ("csv", ["NOPE"], "new", "no gene NOPE"),
        ("pdf", [], "new", "Unknown form 'pdf'"),
        ("h5ad", [], "taken", "'taken' exists already"),
        ("geojson", [], "taken/inside", "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(
    prediction, tmp_path, kind, genes, name, said
):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(StoreError, match=said):
        export_run(prediction.run_dir, kind, tmp_path / name, genes)
    assert (tmp_path / "taken").read_text() == "mine"
    assert {p.name for p in tmp_path.iterdir()} == {"run", "taken"}
