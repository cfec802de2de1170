"""From a slide and a Xenium output to the summary of a comparison, with the sums done by hand."""

import json
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.packages import make_package
from builders.slide_files import MPP, make_slide
from builders.spatial_outputs import PIXEL_SIZE, write_xenium
from builders.spatialdata_stores import add_circles, add_table, write_store

from histospace_core.expression.points_to_tiles import TILE_UM
from histospace_core.inference import open_prediction

SIDE = 1400

pytestmark = pytest.mark.slow


def histospace(*arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "histospace_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    slide, model = make_slide(folder / "slide.png", side=SIDE), make_package(folder).directory
    histospace("predict", slide, "--model", model, "--mpp", MPP, "--out", folder / "run")
    return folder / "run"


def test_xenium_against_a_prediction(run: Path, tmp_path: Path) -> None:
    genes = list(open_prediction(run).genes)
    tissue = (0.45 * SIDE, 0.5 * SIDE, 0.3 * SIDE)
    made = write_xenium(tmp_path / "xenium", genes, side_px=SIDE, mpp=MPP, disc=tissue)
    histospace("compare", run, "--measured", tmp_path / "xenium", "--out", tmp_path / "c")
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    spots = anndata.read_h5ad(tmp_path / "c" / "spots.h5ad")

    table = made.transcripts
    table = table[(table["qv"] >= 20) & table["feature_name"].isin(genes)]
    um = table[["x_location", "y_location"]].to_numpy(float)
    px = np.linalg.solve(made.alignment, np.c_[um / PIXEL_SIZE, np.ones(len(um))].T)[:2].T
    side = TILE_UM / (PIXEL_SIZE * np.sqrt(np.linalg.det(made.alignment)))
    grid = np.floor(px / side).astype(int)
    names = [f"x{x}y{y}" for x, y in grid]
    each = pd.get_dummies(table["feature_name"]).astype(float).set_axis(names)
    counts = each[(grid >= 0).all(1)].groupby(level=0).sum()

    assert any("transcripts were added up" in note for note in summary["measured_notes"])
    assert summary["n_spots_measured"] == len(counts)
    assert summary["n_genes"] == len(genes)
    assert summary["n_spots"] == spots.n_obs > 20
    chosen = counts.loc[spots.obs_names]
    np.testing.assert_array_equal(spots.obs["total_counts"], chosen.sum(1))
    expected = np.log10(1e4 * chosen.div(chosen.sum(1), axis=0)[list(spots.var_names)] + 1)
    np.testing.assert_allclose(spots.layers["measured"], expected, rtol=1e-5)
    corners = np.array([name[1:].split("y") for name in spots.obs_names], float)
    np.testing.assert_allclose(spots.obsm["spatial"], (corners + 0.5) * side, atol=1e-6)
    scores = pd.read_csv(tmp_path / "c" / "genes.csv").set_index("gene")
    gene = genes[0]
    by_hand = np.corrcoef(expected[gene], spots[:, gene].layers["predicted"].ravel())[0, 1]
    assert scores.loc[gene, "pearson"] == pytest.approx(by_hand, abs=1e-4)


def test_a_spatialdata_store_against_a_prediction(run: Path, tmp_path: Path) -> None:
    prediction = open_prediction(run)
    rng = np.random.default_rng(5)
    centres = prediction.centres[(prediction.obs["qc"] == "ok").to_numpy()]
    counts = rng.poisson(6, (len(centres), 5)) + 1
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "spots", centres)
    add_table(root, "table", counts, ["spots"])
    histospace("compare", run, "--measured", tmp_path / "S.zarr", "--out", tmp_path / "c")
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    spots = anndata.read_h5ad(tmp_path / "c" / "spots.h5ad")
    assert summary["n_spots_measured"] == summary["n_spots"] == len(centres)
    np.testing.assert_array_equal(spots.obs["total_counts"], counts.sum(1))
    np.testing.assert_array_equal(spots.obsm["spatial"], centres)
    # on the centres of the tiles, the prediction at a spot is the tile's own
    gene = spots.var_names[0]
    good = (prediction.obs["qc"] == "ok").to_numpy()
    np.testing.assert_allclose(
        spots[:, gene].layers["predicted"].ravel(), prediction.gene(gene)[good], rtol=1e-5
    )
