"""The noise ceiling on counts whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from builders.held_out import lattice, smooth_maps
from scipy import sparse

from histospace_core.evaluation import CeilingBracket, noise_ceiling, pearson_given_depth
from histospace_core.evaluation.noise import overdispersion, range_text, share_of, share_text
from histospace_core.expression import normalise, read_measured

SIDE, N_GENES, N_ALL = 20, 60, 400
CENTRES = lattice(SIDE)
CHANCE = 0.2
"""Two unrelated halves correlate by chance: with 400 spots, a ceiling that is 0 averages 0.13."""


def measure(
    log_rate: np.ndarray | float, *, technical: float = 0, spread: float = 0.3
) -> tuple[np.ndarray, CeilingBracket, float]:
    """Count genes of known rates; return counts, ceiling, and the r of the rates given the depth.

    `technical` is the overdispersion of the counts, `spread` that of the depth in log10.
    """
    rng = np.random.default_rng(1)
    n = SIDE**2
    rates = np.concatenate([np.geomspace(0.5, 10, N_GENES), rng.gamma(1, 1, N_ALL - N_GENES)])
    rates = np.broadcast_to(rates, (n, N_ALL)).copy()
    rates[:, :N_GENES] *= np.exp(log_rate)
    rates /= rates.sum(1, keepdims=True)
    expected = rates * 650 * 10 ** rng.normal(0, spread, (n, 1))
    if technical:
        expected = expected * rng.gamma(1 / technical, technical, expected.shape)
    counts = rng.poisson(expected)
    library, panel = counts.sum(1), counts[:, :N_GENES]
    ceiling = noise_ceiling(sparse.csr_matrix(panel), library, CENTRES)
    truth = np.log10(1 + 1e4 * rates[:, :N_GENES])
    reached = pearson_given_depth(normalise(counts)[:, :N_GENES], truth, library)
    return counts, ceiling, float(np.nan_to_num(reached).mean())


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    return 0.6 * smooth_maps(np.random.default_rng(0), N_GENES, SIDE, sigma=2.0)


def test_under_poisson_noise_both_ends_meet_at_the_truth(smooth: np.ndarray) -> None:
    _, ceiling, truth = measure(smooth)
    assert truth > 0.4
    assert ceiling.low.mean() == pytest.approx(truth, abs=0.05)
    assert ceiling.high.mean() == pytest.approx(truth, abs=0.05)
    assert ceiling.low.mean() - 0.02 < truth < ceiling.high.mean() + 0.02
    assert ceiling.high[-10:].mean() > ceiling.high[:10].mean(), "more counts, less noise"


def test_technical_overdispersion_raises_the_upper_end_only(smooth: np.ndarray) -> None:
    _, ceiling, truth = measure(smooth, technical=0.5)
    assert ceiling.low.mean() == pytest.approx(truth, abs=0.05)
    assert ceiling.high.mean() > truth + 0.2


def test_biology_that_differs_from_spot_to_spot_lowers_the_lower_end_only() -> None:
    rough = 0.6 * np.random.default_rng(0).normal(size=(SIDE**2, N_GENES))
    _, ceiling, truth = measure(rough)
    assert ceiling.high.mean() == pytest.approx(truth, abs=0.05)
    assert ceiling.low.mean() < truth - 0.2


@pytest.mark.parametrize("technical", [0, 0.5])
def test_depth_alone_has_no_ceiling(technical: float) -> None:
    _, ceiling, truth = measure(0.0, technical=technical, spread=0.5)
    assert truth == 0
    assert ceiling.low.mean() < CHANCE
    assert (ceiling.high.mean() < CHANCE) == (technical == 0)


def test_the_ends_never_cross_and_a_constant_gene_has_none(smooth: np.ndarray) -> None:
    counts, ceiling, _ = measure(smooth)
    assert (ceiling.low <= ceiling.high).all()
    panel = counts[:, :N_GENES].copy()
    panel[:, 3] = 0
    ceiling = noise_ceiling(sparse.csr_matrix(panel), counts.sum(1), CENTRES)
    assert np.isnan([ceiling.low[3], ceiling.high[3]]).all()
    assert np.isfinite(np.delete(ceiling.low, 3)).all()


@pytest.mark.parametrize("technical", [0, 0.5, 2])
def test_overdispersion_is_that_of_the_counts_and_not_of_the_map(
    smooth: np.ndarray, technical: float
) -> None:
    counts, _, _ = measure(smooth, technical=technical)
    common = sparse.csr_matrix(counts[:, N_GENES // 2 : N_GENES])
    a = overdispersion(common, counts.sum(1), CENTRES)
    assert np.median(a) == pytest.approx(technical, abs=0.1 + 0.1 * technical)


def test_overdispersion_of_genes_that_no_two_adjacent_spots_share() -> None:
    counts = np.zeros((9, 2), dtype=int)
    counts[4, 0] = 5
    a = overdispersion(sparse.csr_matrix(counts), np.full(9, 100), lattice(3))
    assert a.tolist() == [np.inf, 0]


def test_a_prediction_of_the_depth_is_no_skill_given_the_depth() -> None:
    rng = np.random.default_rng(0)
    library = 10 ** rng.uniform(2, 4, 300)
    measured = np.log10(library)[:, None] + rng.normal(size=(300, 5))
    predicted = np.log10(library)[:, None] * [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(pearson_given_depth(measured, predicted, library), 0)
    alike = pearson_given_depth(measured, measured, library)
    np.testing.assert_allclose(alike, 1)
    assert np.isnan(pearson_given_depth(np.ones((300, 5)), predicted, library)).all()
    same = pearson_given_depth(measured, measured, np.full(300, 1000.0))
    np.testing.assert_allclose(same, 1)


def test_shares_and_their_text() -> None:
    assert share_of(0.25, 0.5, 1.0) == (0.25, 0.5)
    assert share_of(0.3, 0.2, 0.6) == (0.5, 1), "the ceiling is at least what is reached"
    assert share_of(0.75, 0.2, 0.5) == (1.5, 1.5)
    assert share_of(0.0, 0.0, 0.4) == (0, 0)
    assert np.isnan(share_of(0.1, np.nan, 0.4)).all()
    assert np.isnan(share_of(0.1, 0.0, 0.0)).all()
    assert range_text(0.5, 0.25) == "0.250-0.500"
    assert range_text(0.5, None) == range_text(0.5, np.nan) == "0.500"
    assert range_text(None) == "not evaluable"
    assert share_text([0.25, 0.5]) == "25%-50%"
    assert share_text([-0.2, -0.5]) == "0%"
    assert share_text([np.nan, np.nan]) == "unknown"


@pytest.mark.shared
@pytest.mark.parametrize("section", ["B4", "C2"])
def test_a_real_section_with_every_gene_at_one_rate_has_a_ceiling_of_chance(
    shared: Path, section: str
) -> None:
    data = read_measured(
        shared / f"her2st/ST-cnts/{section}.tsv.gz",
        shared / f"her2st/ST-spotfiles/{section}_selection.tsv",
    )
    library = np.asarray(data.X.sum(1), dtype=float).ravel()
    often = np.flatnonzero(np.asarray((data.X > 0).mean(0)).ravel() > 0.5)[:200]
    centres = data.obsm["spatial"]
    real = noise_ceiling(data.X[:, often], library, centres)
    assert (real.low <= real.high)[np.isfinite(real.high)].all()
    rates = np.asarray(data.X[:, often].sum(0)).ravel() / library.sum()
    flat = np.random.default_rng(0).poisson(library[:, None] * rates)
    null = noise_ceiling(sparse.csr_matrix(flat), library, centres)
    assert np.nanmean(null.high) < CHANCE
    assert np.nanmean(real.low) > np.nanmean(null.low) + 0.05
