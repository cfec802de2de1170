"""Markers: the level on noise, the power on effects, and what each column says."""

import numpy as np
import pytest
from anndata import AnnData
from builders.held_out import lattice, smooth_maps
from scipy import stats

from histospace_core.characterise import find_markers
from histospace_core.characterise.contrasts import contrasts
from histospace_core.characterise.placements import placements
from histospace_core.errors import MeasurementError
from histospace_core.evaluation import q_values

SIDE = 24
CENTRES = lattice(SIDE)
HALF = np.where(CENTRES[:, 0] > CENTRES[:, 0].mean(), "right", "left")


def nests(rng: np.random.Generator) -> np.ndarray:
    places = rng.uniform(CENTRES.min(0), CENTRES.max(0), (6, 2))
    distance = np.linalg.norm(CENTRES[:, None] - places[None], axis=2).min(1)
    return np.where(distance < 3 * 290, "nest", "ground")


def table(values: np.ndarray, reliable: np.ndarray | None = None) -> AnnData:
    made = AnnData(values.astype(np.float32), obsm={"spatial": CENTRES})
    if reliable is not None:
        made.var["reliable"] = reliable
    return made


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_smooth_noise_is_not_called_where_the_naive_test_calls_it(sigma: float) -> None:
    called, naive = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        values, regions = smooth_maps(rng, 60, SIDE, sigma), nests(rng)
        found = find_markers(table(values), regions, versus="ground").table
        called.append((found["q_value"] < 0.1).mean())
        p = stats.ttest_ind(values[regions == "nest"], values[regions == "ground"]).pvalue
        naive.append((q_values(p) < 0.1).mean())
    assert np.mean(called) <= 0.1
    assert np.mean(naive) > 0.3


def test_a_gene_that_differs_is_found_first_with_its_difference_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    values, regions = rng.normal(size=(SIDE**2, 30)), nests(rng)
    values[:, 7] += 1.0 * (regions == "nest")
    markers = find_markers(table(values), regions)
    first = markers.table[markers.table["region"] == "nest"].iloc[0]
    assert first["gene"] == "7"
    assert first["q_value"] < 0.001
    assert first["ci_low"] < 1.0 < first["ci_high"]
    assert first["effect_size"] == pytest.approx(1.0, abs=0.25)
    assert first["difference"] == pytest.approx(first["mean_in"] - first["mean_out"], abs=1e-5)
    others = markers.table[markers.table["gene"] != "7"]
    assert (others["q_value"] < 0.1).mean() < 0.1


def test_a_region_of_half_the_tissue_is_not_its_own_noise() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(SIDE**2, 20))
    values[:, 0] += 1.0 * (HALF == "right")
    found = find_markers(table(values), HALF).table.set_index(["region", "gene"])
    assert found.loc[("right", "0"), "q_value"] < 0.01
    assert found.loc[("left", "0"), "difference"] < -0.8


def test_intervals_cover_the_true_difference() -> None:
    covered = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values, regions = smooth_maps(rng, 100, SIDE, 1.0), nests(rng)
        values += 0.5 * (regions == "nest")[:, None]
        found = find_markers(table(values), regions, versus="ground").table
        covered.append(((found["ci_low"] < 0.5) & (found["ci_high"] > 0.5)).mean())
    assert np.mean(covered) > 0.9


def test_only_reliable_genes_are_tested_and_the_share_is_said() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 8))
    reliable = np.arange(8) < 2
    markers = find_markers(table(values, reliable), HALF)
    assert set(markers.table["gene"]) == {"0", "1"}
    assert (markers.n_tested, markers.n_genes) == (2, 8)
    every = find_markers(table(values, reliable), HALF, reliable_only=False)
    assert every.table["gene"].nunique() == 8


def test_tiles_without_region_or_expression_take_no_part() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 3))
    regions = HALF.astype(object)
    regions[:40] = None
    values[40:50] = np.nan
    values[:40] = 1e6
    found = find_markers(table(values), regions).table
    assert found["n_tiles"].groupby(found["region"]).first().sum() == SIDE**2 - 50
    assert found["mean_in"].abs().max() < 1


def test_numbered_regions_keep_their_names_beside_tiles_without_one() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 2))
    regions = (HALF == "left").astype(int)
    regions[:3] = -1
    assert set(find_markers(table(values), regions).table["region"]) == {"0", "1"}


def test_a_constant_gene_has_no_p_value() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 3))
    values[:, 1] = 0.1
    found = find_markers(table(values), HALF).table.set_index("gene")
    assert found.loc["1", ["p_value", "q_value", "effect_size"]].isna().all(axis=None)
    assert found.loc["0", "p_value"].notna().all()


@pytest.mark.parametrize(
    ("regions", "options", "said"),
    [
        (np.zeros(SIDE**2), {}, "there are 1"),
        (HALF[:5], {}, "5 region labels"),
        (HALF, {"versus": "middle"}, "no region 'middle'"),
    ],
)
def test_what_cannot_be_tested_is_said(regions: np.ndarray, options: dict, said: str) -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 3))
    with pytest.raises(MeasurementError, match=said):
        find_markers(table(values), regions, **options)


def test_a_model_without_a_reliable_gene_is_said() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE**2, 3))
    with pytest.raises(MeasurementError, match="No gene of this model is reliable"):
        find_markers(table(values, np.zeros(3, bool)), HALF)


def test_contrasts_by_hand() -> None:
    labels = np.array([0, 0, 1, -1, 2])
    np.testing.assert_allclose(
        contrasts(labels, [0, 1], None).T,
        [[0.5, 0.5, -0.5, 0, -0.5], [-1 / 3, -1 / 3, 1, 0, -1 / 3]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(contrasts(labels, [0], 2).T, [[0.5, 0.5, 0, 0, -1]])


def test_placements_keep_neighbours_together_and_land_everywhere() -> None:
    disc = CENTRES[np.linalg.norm(CENTRES - CENTRES.mean(0), axis=1) < 11 * 290]
    sources = list(placements(disc, 50, seed=0))
    assert len(sources) == 50
    assert min((s >= 0).mean() for s in sources) >= 0.5
    beside = np.flatnonzero(np.linalg.norm(disc - disc[100], axis=1) < 300)
    for source in sources[:10]:
        if (source[beside] >= 0).all():
            spread = np.linalg.norm(disc[source[beside]] - disc[source[100]], axis=1)
            assert (spread <= 2 * 290 * 2**0.5).mean() > 0.5
    assert len({int(s[100]) for s in sources}) > 20
