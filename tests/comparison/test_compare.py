"""A run against measurements whose agreement is known."""

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.packages import GENES, make_package
from builders.slide_files import MPP, make_slide
from scipy import sparse

from histospace_core.comparison.compare import compare_run, open_comparison
from histospace_core.comparison.gene_table import COLUMNS
from histospace_core.comparison.given_depth import COLUMNS as GIVEN_DEPTH
from histospace_core.comparison.matching import tile_weights
from histospace_core.errors import MeasurementError, StoreError
from histospace_core.expression import Placement
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.out_lock import locked
from histospace_core.slides.open import open_slide


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    with open_slide(make_slide(folder / "slide.png"), MPP) as slide:
        predict_slide(slide, make_package(folder / "models"), folder / "run")
    return folder / "run"


def _measured(positions: np.ndarray, rates: np.ndarray, genes: list[str]) -> anndata.AnnData:
    counts = np.random.default_rng(0).poisson(np.clip(rates, 0, None)).astype(np.float32)
    return anndata.AnnData(
        sparse.csr_matrix(counts),
        obs=pd.DataFrame(
            {"total_counts": counts.sum(1)}, index=[f"s{i}" for i in range(len(counts))]
        ),
        var=pd.DataFrame({"gene_id": ""}, index=genes),
        obsm={"spatial": positions},
    )


def _spots(run_dir: Path) -> np.ndarray:
    """Spots between the tiles, well inside the tissue."""
    prediction = open_prediction(run_dir)
    spots = prediction.centres + 40
    cover = tile_weights(prediction.centres, spots, prediction.tile_level0, 128)[1]
    return spots[cover > 0.99]


def _agreeing(run_dir: Path) -> anndata.AnnData:
    """Counts drawn from the prediction itself, over a deep background of other genes."""
    prediction, spots = open_prediction(run_dir), _spots(run_dir)
    weights, _ = tile_weights(prediction.centres, spots, prediction.tile_level0, 128)
    at_spots = weights @ prediction.matrix()
    spread = (at_spots - at_spots.mean(0)) / at_spots.std(0)
    rates = 400 * np.exp(0.5 * spread)
    background = np.full((len(spots), 1), 20_000.0)
    adata = _measured(spots, np.hstack([rates, background]), [*GENES, "BACKGROUND"])
    matrix = adata.X.toarray()
    matrix[:, GENES.index("CD74")] = 0
    adata.X = sparse.csr_matrix(matrix)
    return adata[:, [g for g in adata.var_names if g != "KRT19"]].copy()


def test_scores_of_an_agreeing_measurement(run_dir: Path, tmp_path: Path) -> None:
    result = compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    table = pd.read_csv(tmp_path / "cmp" / "genes.csv").set_index("gene")
    assert tuple(table.reset_index().columns) == (*COLUMNS, *GIVEN_DEPTH)
    assert set(table.index) == set(GENES)
    assert table.loc["ERBB2", "pearson"] > 0.8
    assert table.loc["ERBB2", "spearman"] > 0.7
    assert table.loc["ERBB2", "n_spots"] == len(_spots(run_dir))
    summary = json.loads((tmp_path / "cmp" / "summary.json").read_text())
    assert summary["n_genes_scored"] == 3
    assert summary["mean_profile_per_gene_pearson"] == 0
    assert "mean_profile_per_spot_pearson" in summary
    assert result.summary == summary


def test_what_cannot_be_scored_is_said_and_not_zero(run_dir: Path, tmp_path: Path) -> None:
    compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    table = open_comparison(tmp_path / "cmp").genes.set_index("gene")
    assert np.isnan(table.loc["CD74", "pearson"])
    assert table.loc["CD74", "note"] == "not evaluable: constant in the measurement"
    assert np.isnan(table.loc["KRT19", "pearson"])
    assert table.loc["KRT19", "n_spots"] == 0
    assert table.loc["KRT19", "note"] == "not evaluable: not measured"


def test_the_stored_spots_give_the_scores_again(run_dir: Path, tmp_path: Path) -> None:
    compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    again = open_comparison(tmp_path / "cmp")
    x, y = (again.spots[:, "ERBB2"].layers[k].ravel() for k in ("measured", "predicted"))
    r = again.genes.set_index("gene").loc["ERBB2", "pearson"]
    assert r == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-4)


def test_spots_off_the_tissue_are_refused(run_dir: Path, tmp_path: Path) -> None:
    measured = _agreeing(run_dir)
    measured.obsm["spatial"] = measured.obsm["spatial"] + 50_000
    with pytest.raises(MeasurementError, match="of the spots lie on tissue"):
        compare_run(run_dir, measured, tmp_path / "cmp")
    assert not (tmp_path / "cmp").exists()


def test_too_few_spots(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="at least 10"):
        compare_run(run_dir, _agreeing(run_dir)[:5].copy(), tmp_path / "cmp")


def test_no_common_gene(run_dir: Path, tmp_path: Path) -> None:
    spots = _spots(run_dir)
    strange = _measured(spots, np.full((len(spots), 2), 9.0), ["Xyz1", "Xyz2"])
    with pytest.raises(MeasurementError, match="no gene in common"):
        compare_run(run_dir, strange, tmp_path / "cmp")


def test_an_existing_comparison_is_kept(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "cmp").mkdir()
    (tmp_path / "cmp" / "mine.txt").write_text("keep")
    with pytest.raises(StoreError, match="not empty"):
        compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    assert (tmp_path / "cmp" / "mine.txt").read_text() == "keep"


def test_each_gene_stands_beside_its_noise_ceiling(run_dir: Path, tmp_path: Path) -> None:
    result = compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    var = open_comparison(tmp_path / "cmp").spots.var[list(GIVEN_DEPTH)]
    assert var.loc["CD74"].isna().all(), "constant, so it has none"
    known = var.dropna()
    assert len(known) > 1
    assert (known["noise_ceiling_low"] <= known["noise_ceiling"]).all()
    table = result.genes.set_index("gene")[list(GIVEN_DEPTH)]
    np.testing.assert_allclose(table.loc[var.index], var)
    for key, column in zip(GIVEN_DEPTH, known, strict=True):
        name = "per_gene_" + key if key.startswith("pearson") else key
        assert result.summary[name] == pytest.approx(known[column].mean())


def test_the_registration_is_recorded(run_dir: Path, tmp_path: Path) -> None:
    summary = compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp").summary
    shares = summary["alignment"]["share_on_tissue_by_orientation"]
    assert len(shares) == 8
    assert summary["alignment"]["share_on_tissue"] == shares["as given"] > 0.9
    assert summary["placement"]["by_hand"] is False
    assert summary["placement"]["affine_level0_px"] == [[1, 0, 0], [0, 1, 0]]


def test_misplaced_spots_are_put_right_by_hand_and_the_nudge_is_recorded(
    run_dir: Path, tmp_path: Path
) -> None:
    straight = compare_run(run_dir, _agreeing(run_dir), tmp_path / "straight")
    slide = open_prediction(run_dir).record.slide
    off = _agreeing(run_dir)
    x, y = off.obsm["spatial"].T
    off.obsm["spatial"] = np.column_stack([slide.width - x + 400, y - 200])  # mirrored, moved
    placement = Placement("mirrored left-right", shift_um=(400 * MPP, 200 * MPP))
    put_right = compare_run(run_dir, off, tmp_path / "put-right", placement=placement)
    np.testing.assert_allclose(
        put_right.spots.obsm["spatial"], straight.spots.obsm["spatial"], atol=1e-6
    )
    pd.testing.assert_frame_equal(put_right.genes, straight.genes)
    kept = json.loads((tmp_path / "put-right" / "summary.json").read_text())["placement"]
    assert kept["by_hand"] is True
    assert kept["shift_um"] == pytest.approx([400 * MPP, 200 * MPP])
    again = np.array(kept["affine_level0_px"])
    np.testing.assert_allclose(
        off.obsm["spatial"] @ again[:, :2].T + again[:, 2],
        _agreeing(run_dir).obsm["spatial"],
        atol=1e-6,
    )


def test_spots_placed_beside_the_tissue_are_refused(run_dir: Path, tmp_path: Path) -> None:
    nowhere = Placement(shift_um=(1e6, 0))
    with pytest.raises(MeasurementError, match="of the spots lie on tissue"):
        compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp", placement=nowhere)
    assert not (tmp_path / "cmp").exists()


def test_a_comparison_that_another_process_writes_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "cmp"),
        pytest.raises(StoreError, match="has been writing here since"),
    ):
        compare_run(run_dir, _agreeing(run_dir), tmp_path / "cmp")
    assert not (tmp_path / "cmp").exists()
