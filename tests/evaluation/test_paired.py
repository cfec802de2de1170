"""The paired comparison: by hand, on equal methods, and where one is better."""

import dataclasses
import json

import numpy as np
import pytest
from builders.held_out import lattice, make_held, smooth_maps
from scipy import stats

from histospace_core.errors import CohortError
from histospace_core.evaluation import HeldOut, Paired, compare_methods, per_gene_pearson
from histospace_core.evaluation.paired import blocks_of

SIDE = 17


def _two_methods(seed: int, *, gain: float = 1.0, n_genes: int = 20) -> tuple[HeldOut, HeldOut]:
    """Two predictions with errors of one law, smooth and shared by genes; A's signal x `gain`.

    B is three times as bold, which correlation must not mind.
    """
    rng = np.random.default_rng(seed)
    truth = smooth_maps(rng, 3, SIDE, 0.8) @ rng.normal(size=(3, n_genes))
    truth += 0.7 * rng.normal(size=truth.shape)
    shared = rng.normal(size=(3, n_genes))
    a, b = (0.6 * truth * g + smooth_maps(rng, 3, SIDE, 0.8) @ shared for g in (gain, 1.0))
    return make_held(truth, a), make_held(truth, 3 * b)


def _compare(seed: int, gain: float = 1.0) -> Paired:
    a, b = _two_methods(seed, gain=gain)
    return compare_methods([a], [b], n_permutations=299)


def test_equal_methods_are_rarely_told_apart() -> None:
    results = [_compare(seed) for seed in range(120)]
    assert np.mean([c.permutation_p < 0.05 for c in results]) < 0.10
    assert np.mean([(c.genes["p_value"] < 0.05).mean() for c in results]) < 0.07
    naive = [
        compare_methods(*([h] for h in _two_methods(seed)), block=1, n_permutations=299)
        for seed in range(120)
    ]
    assert np.mean([c.permutation_p < 0.05 for c in naive]) > 0.12  # why blocks, not spots


def test_a_better_method_is_found() -> None:
    results = [_compare(seed, gain=1.6) for seed in range(12)]
    assert all(c.difference > 0 for c in results)
    assert np.mean([c.permutation_p < 0.05 for c in results]) > 0.8


def test_differences_seeds_and_wilcoxon_by_hand() -> None:
    a, b = _two_methods(0, gain=1.3)
    other = dataclasses.replace(a, predicted=a.predicted + b.predicted)
    compared = compare_methods([a, other], [b], n_permutations=99)
    r_a = (
        per_gene_pearson(a.measured, a.predicted) + per_gene_pearson(a.measured, other.predicted)
    ) / 2
    r_b = per_gene_pearson(b.measured, b.predicted)
    np.testing.assert_allclose(compared.genes["a"], r_a)
    np.testing.assert_allclose(compared.genes["b"], r_b)
    assert compared.difference == pytest.approx((r_a - r_b).mean())
    assert compared.wilcoxon_p == pytest.approx(stats.wilcoxon(r_a - r_b).pvalue)
    assert compared.share_of_genes_better == (r_a > r_b).mean()
    assert compared.n_sections == 1
    known = compared.genes["p_value"].to_numpy()
    np.testing.assert_allclose(compared.genes["q_value"], stats.false_discovery_control(known))
    assert json.loads(json.dumps(compared.to_dict())) == compared.to_dict()


def test_swapping_the_methods_turns_the_sign() -> None:
    a, b = _two_methods(3, gain=1.2)
    one, other = compare_methods([a], [b]), compare_methods([b], [a])
    assert one.difference == pytest.approx(-other.difference)
    assert one.permutation_p == other.permutation_p
    same = compare_methods([a], [a])
    assert (same.difference, same.permutation_p, same.wilcoxon_p) == (0, 1, 1)


def test_sections_with_different_panels_and_the_mean_profile() -> None:
    a1, b1 = _two_methods(0, n_genes=4)
    a2, b2 = (
        dataclasses.replace(h, section="S2", genes=("G1", "G2", "G3", "X"))
        for h in _two_methods(1, n_genes=4)
    )
    flat = [
        dataclasses.replace(h, predicted=np.broadcast_to(h.mean_profile, h.measured.shape))
        for h in (b1, b2)
    ]
    compared = compare_methods([a1, a2], flat, n_permutations=99)
    assert compared.genes["gene"].tolist() == ["G0", "G1", "G2", "G3", "X"]
    r1, r2 = (per_gene_pearson(h.measured, h.predicted) for h in (a1, a2))
    expected = [r1[0], (r1[1] + r2[0]) / 2, (r1[2] + r2[1]) / 2, (r1[3] + r2[2]) / 2, r2[3]]
    np.testing.assert_allclose(compared.genes["difference"], expected)
    assert compared.mean_b == 0
    assert compared.mean_a == pytest.approx((r1.mean() + r2.mean()) / 2)


def test_blocks_are_squares_of_spots() -> None:
    blocks = blocks_of(lattice(8), 4).reshape(8, 8)
    assert np.unique(blocks, return_counts=True)[1].tolist() == [16] * 4
    assert (blocks[:4, :4] == blocks[0, 0]).all()


def test_methods_on_other_sections_spots_or_genes() -> None:
    a, b = _two_methods(0)
    with pytest.raises(CohortError, match=r"same sections .*'S9'"):
        compare_methods([a], [b, dataclasses.replace(b, section="S9")])
    with pytest.raises(CohortError, match="there are none"):
        compare_methods([], [])
    with pytest.raises(CohortError, match="different spots of section 'S1'"):
        compare_methods([a], [dataclasses.replace(b, centres=b.centres + 40)])
    with pytest.raises(CohortError, match="no gene that varies"):
        compare_methods([a], [dataclasses.replace(b, genes=tuple(f"H{i}" for i in range(20)))])
