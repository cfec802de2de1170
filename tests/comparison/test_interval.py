"""Measured values against the intervals of a run whose model states them."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.packages import GENES, LEVEL, make_package
from builders.slide_files import MPP, make_slide
from scipy import sparse
from scipy.stats import t as student

from histospace_core.comparison.compare import compare_run, open_comparison
from histospace_core.comparison.interval import COVERAGE, coverage_sentence
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.slides.open import open_slide


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interval")
    with open_slide(make_slide(folder / "slide.png"), MPP) as slide:
        predict_slide(slide, make_package(folder / "models", intervals=True), folder / "run")
    return folder / "run"


def measured(run_dir: Path, seed: int, level_sd: float = 0.15) -> anndata.AnnData:
    """Counts of the law that the package states, at depths that differ between spots."""
    rng = np.random.default_rng(seed)
    prediction = open_prediction(run_dir)
    n = prediction.n_tiles
    depth = rng.lognormal(8.5, 0.7, n)
    level = LEVEL + level_sd * student.rvs(8, size=len(GENES), random_state=rng)
    spot = 0.2 * rng.normal(size=(n, len(GENES))) - 0.04 * np.log(10) / 2
    counts = rng.poisson(depth[:, None] * 10 ** (level + spot) / 1e4).astype(np.float32)
    rest = np.maximum(depth - counts.sum(1), 1).astype(np.float32).round()
    return anndata.AnnData(
        sparse.csr_matrix(np.column_stack([counts, rest])),
        obs=pd.DataFrame({"total_counts": counts.sum(1) + rest}, index=[f"s{i}" for i in range(n)]),
        var=pd.DataFrame({"gene_id": ""}, index=[*GENES, "REST"]),
        obsm={"spatial": prediction.centres},
    )


def test_measured_values_are_covered_as_promised(run_dir: Path, tmp_path: Path) -> None:
    shares = []
    for seed in range(6):
        found = compare_run(run_dir, measured(run_dir, seed), tmp_path / f"cmp{seed}")
        shares.append(found.summary["interval"]["coverage"])
    assert np.mean(shares) == pytest.approx(0.9, abs=0.06)
    table = open_comparison(tmp_path / "cmp0").genes.set_index("gene")
    assert table.columns[-1] == COVERAGE
    assert table[COVERAGE].notna().tolist() == [True] * 4 + [False], "the last gene has no level"
    spots = open_comparison(tmp_path / "cmp0").spots
    low, high = (np.asarray(spots.layers[k])[:, :4] for k in ("interval_low", "interval_high"))
    inside = (spots.layers["measured"][:, :4] >= low - 1e-3) & (
        spots.layers["measured"][:, :4] <= high + 1e-3
    )
    assert inside.mean() == pytest.approx(shares[0], abs=0.005)


def test_a_patient_unlike_all_others_is_not_covered(run_dir: Path, tmp_path: Path) -> None:
    summary = compare_run(run_dir, measured(run_dir, 0, level_sd=1.5), tmp_path / "cmp").summary
    assert summary["interval"]["coverage"] < 0.6
    assert "fewer than promised" in coverage_sentence(summary["interval"])


def test_a_model_without_intervals_has_none(tmp_path: Path, run_dir: Path) -> None:
    with open_slide(make_slide(tmp_path / "slide.png"), MPP) as slide:
        predict_slide(slide, make_package(tmp_path / "models"), tmp_path / "run")
    assert open_prediction(tmp_path / "run").predictive is None
    found = compare_run(tmp_path / "run", measured(run_dir, 0), tmp_path / "cmp")
    assert found.summary["interval"] is None
    assert COVERAGE not in found.genes
    assert "interval_low" not in found.spots.layers


@pytest.mark.parametrize(
    ("coverage", "verdict"), [(0.7, "fewer than"), (0.9, "as promised"), (0.97, "more than")]
)
def test_the_sentence_says_whether_the_promise_holds(coverage: float, verdict: str) -> None:
    text = coverage_sentence({"level": 0.9, "coverage": coverage, "width": 0.456, "n_values": 9})
    assert verdict in text
    assert f"{coverage:.0%}" in text
    assert "0.46 wide" in text
