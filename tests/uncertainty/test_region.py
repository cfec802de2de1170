"""Intervals of regions hold although neighbouring tiles are off in the same direction."""

from dataclasses import replace

import numpy as np
import pytest
from builders.autocorrelated import smooth_section

from histospace_core.uncertainty import (
    MOST_WRONG,
    Autocorrelation,
    Counting,
    LevelSpread,
    Maps,
    Predictive,
    Region,
)

N = 100
ALIKE = Autocorrelation(0.8, 500.0)


def known(mean: np.ndarray, *, slope: float = 0.7, slope_sd: float = 0.0) -> Predictive:
    n = len(mean)
    maps = Maps(np.full(n, slope), np.full(n, slope_sd), np.zeros(n, np.intp), ALIKE)
    level = LevelSpread(mean, np.full(n, 1e-3), np.inf, 9)
    return Predictive(Counting("log10_cp10k", np.array([1e6])), level, np.full(n, 0.12), maps)


def regions(xy: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Discs of 8 to 60 spots."""
    rng = np.random.default_rng(seed)
    found = []
    for size in rng.integers(8, 60, 15):
        near = np.argsort(((xy - xy[rng.integers(len(xy))]) ** 2).sum(1))
        found.append(np.isin(np.arange(len(xy)), near[:size]))
    return found


def coverage(alike: Autocorrelation) -> tuple[float, float]:
    """Share of true and of measured expression of regions inside their 90 % interval."""
    true, measured = [], []
    for seed in range(3):
        section = smooth_section(seed, slope=0.7, n_genes=N)
        rates = 10**section.true
        predictive = known(np.log10(rates.mean(0)))
        assert predictive.maps is not None
        predictive = replace(predictive, maps=replace(predictive.maps, autocorrelation=alike))
        shown = predictive.counting.expected(section.shown)
        counts = section.counts.toarray()
        of_slide = np.log10(1e4 * counts.sum(0) / section.depths.sum())
        for inside in regions(section.xy_um):
            predicted = predictive.rates(shown)
            itself = Region(inside, ~inside, section.xy_um).interval(predictive, predicted, 0.9)
            true.append(itself.holds(np.log10(1 + rates[inside].mean(0))[None], 1e-9).mean())
            by_slide = replace(predictive, level=replace(predictive.level, mean=of_slide))
            measured_region = Region(inside, ~inside, section.xy_um, section.depths)
            counted = measured_region.interval(by_slide, predicted, 0.9)
            value = np.log10(1 + 1e4 * counts[inside].sum(0) / section.depths[inside].sum())
            measured.append(counted.holds(value[None], 1e-9).mean())
    return float(np.mean(true)), float(np.mean(measured))


def test_regions_are_covered() -> None:
    assert coverage(ALIKE) == pytest.approx((0.9, 0.9), abs=0.05)


def test_independent_tiles_would_promise_too_much() -> None:
    assert coverage(Autocorrelation(0.0, 1.0))[0] < 0.75


def test_the_whole_slide_has_the_level_alone() -> None:
    section = smooth_section(0, slope=0.7, n_genes=5)
    predictive = known(np.full(5, 0.8))
    rates = predictive.rates(section.shown)
    most = section.xy_um[:, 0] > 0
    whole, part = (
        Region(inside, ~inside, section.xy_um).interval(predictive, rates, 0.9)
        for inside in (most, section.xy_um[:, 0] < 1000)
    )
    assert whole.width.max() < 0.5 * part.width.min()


def test_a_doubtful_slope_widens_the_interval_on_both_sides() -> None:
    section = smooth_section(0, slope=0.7, n_genes=1)
    inside = section.shown[:, 0] > np.quantile(section.shown[:, 0], 0.8)
    region = Region(inside, ~inside, section.xy_um)
    sure, doubtful = (known(np.full(1, 1.5), slope_sd=sd) for sd in (0.0, 1.0))
    rates = sure.rates(section.shown)
    one, other = (region.interval(p, rates, 0.9) for p in (sure, doubtful))
    assert other.low < one.low
    assert other.high > one.high
    assert (one.low - other.low).item() == pytest.approx((other.high - one.high).item(), rel=0.2)


def test_many_counts_show_expression_itself() -> None:
    section = smooth_section(0, slope=0.7, n_genes=20)
    predictive = known(np.full(20, 2.2))
    rates, inside = predictive.rates(section.shown), section.xy_um[:, 0] < 1000
    itself = Region(inside, ~inside, section.xy_um).interval(predictive, rates, 0.9)
    deep = np.full(len(inside), 1e6)
    counted = Region(inside, ~inside, section.xy_um, deep).interval(predictive, rates, 0.9)
    np.testing.assert_allclose(counted.low, itself.low, atol=0.05)
    np.testing.assert_allclose(counted.high, itself.high, atol=0.05)


def test_few_directions_that_are_claimed_are_wrong() -> None:
    claimed = wrong = 0
    for seed in range(3):
        section = smooth_section(seed, slope=0.7, n_genes=N)
        rates = 10**section.true
        predictive = known(np.log10(rates.mean(0)))
        shown = predictive.counting.expected(section.shown)
        for inside in regions(section.xy_um):
            region = Region(inside, ~inside, section.xy_um)
            found = region.contrast(predictive, predictive.rates(shown))
            true = np.log10(rates[inside].mean(0) / rates[~inside].mean(0))
            claim = found.wrong < MOST_WRONG
            claimed += int(claim.sum())
            wrong += int((claim & (np.sign(found.log10_ratio) != np.sign(true))).sum())
    assert claimed > 250
    assert wrong <= MOST_WRONG * claimed


def test_a_map_of_which_nothing_is_known_claims_no_direction() -> None:
    section = smooth_section(0, slope=1, n_genes=20)
    predictive = known(np.full(20, 0.8), slope=1, slope_sd=1)
    for inside in regions(section.xy_um):
        region = Region(inside, ~inside, section.xy_um)
        found = region.contrast(predictive, predictive.rates(section.shown))
        assert found.wrong.min() > MOST_WRONG


def test_what_cannot_be_known_is_refused() -> None:
    section = smooth_section(0, slope=1, n_genes=5)
    predictive = known(np.full(5, 0.8))
    nowhere = np.zeros(len(section.xy_um), bool)
    for sides in ((nowhere, ~nowhere), (~nowhere, nowhere)):
        with pytest.raises(ValueError, match="both need a tile"):
            Region(*sides, section.xy_um)
    inside = section.xy_um[:, 0] < 1000
    with pytest.raises(ValueError, match="maps"):
        Region(inside, ~inside, section.xy_um).contrast(
            replace(predictive, maps=None), section.shown
        )
