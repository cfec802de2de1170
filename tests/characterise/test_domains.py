"""Domains on tissue whose regions are known, and on tables that have none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.held_out import lattice, smooth_maps
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise import find_domains
from histospace_core.characterise.domains import leiden
from histospace_core.characterise.graph import (
    components,
    joint_graph,
    spatial_neighbours,
    weigh_by_similarity,
)
from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured

SIDE = 24


def halves(noise: float, seed: int = 0) -> tuple[AnnData, np.ndarray]:
    """Two halves and a disc in one of them, 40 genes, a third of which tell."""
    rng = np.random.default_rng(seed)
    centres = lattice(SIDE)
    x, y = (centres / centres.max()).T
    region = (x > 0.5).astype(int)
    region[(x - 0.25) ** 2 + (y - 0.5) ** 2 < 0.03] = 2
    means = np.zeros((3, 40))
    means[:, :14] = rng.normal(size=(3, 14))
    values = means[region] + noise * rng.normal(size=(SIDE**2, 40))
    return AnnData(values.astype(np.float32), obsm={"spatial": centres}), region


def test_regions_are_found_under_noise_that_hides_them_from_expression_alone() -> None:
    table, region = halves(noise=1.5)
    domains = find_domains(table)
    assert adjusted_rand_score(region, domains.best) > 0.9
    assert domains.n_domains[domains.chosen] == 3
    assert domains.stability[domains.chosen] > 0.8
    assert np.nanmean(domains.confidence[:, domains.chosen]) > 0.8
    inside = domains.confidence[region == 2, domains.chosen]
    assert inside.min() >= 0
    assert inside.max() <= 1


def test_the_same_seed_gives_the_same_domains_and_the_largest_is_zero() -> None:
    table, _ = halves(noise=1.0)
    first, second = find_domains(table, seed=3), find_domains(table, seed=3)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.stability, second.stability)
    assert (np.diff(np.bincount(first.best)) <= 0).all()


def test_noise_without_regions_is_less_stable_than_regions() -> None:
    table, _ = halves(noise=0.5)
    noise = AnnData(np.random.default_rng(0).normal(size=table.shape), obsm=table.obsm)
    fixed = {"resolutions": (0.5, 1.0)}
    nothing = find_domains(noise, **fixed)
    assert np.nanmax(nothing.stability) < 0.5
    assert np.isnan(nothing.stability[np.array(nothing.n_domains) == 1]).all()
    found = find_domains(table, control=True, **fixed)
    assert found.stability.max() > 0.9
    assert (np.nan_to_num(found.stability_control) < found.stability - 0.2).all()


def test_tiles_without_expression_have_no_domain() -> None:
    table, region = halves(noise=0.5)
    table.X[:5] = np.nan
    domains = find_domains(table, resolutions=[0.5])
    assert (domains.labels[:5] == -1).all()
    assert np.isnan(domains.confidence[:5]).all()
    assert adjusted_rand_score(region[5:], domains.best[5:]) > 0.9


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (AnnData(np.ones((30, 3))), "no positions"),
        (AnnData(np.ones((30, 3)), obsm={"spatial": lattice(6)[:30]}), "No gene varies"),
        (AnnData(np.full((30, 3), np.nan), obsm={"spatial": lattice(6)[:30]}), "Only 0 tiles"),
    ],
)
def test_what_has_no_domains_is_said(table: AnnData, said: str) -> None:
    with pytest.raises(MeasurementError, match=said):
        find_domains(table)


def test_spatial_neighbours_are_eight_on_a_square_and_six_on_a_hexagonal_lattice() -> None:
    square = spatial_neighbours(lattice(5))
    assert square.sum(1).max() == 8
    assert square.sum(1).min() == 3
    assert (square != square.T).nnz == 0
    rows, columns = np.mgrid[:7, :7]
    hexagonal = np.column_stack([(columns + rows % 2 / 2).ravel(), (rows * 3**0.5 / 2).ravel()])
    degrees = spatial_neighbours(hexagonal).sum(1)
    assert degrees.max() == 6


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(0)
    values = smooth_maps(rng, 12).astype(np.float32)
    scores = components(values, n_components=4)
    left, power, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(scores), np.abs(left * power)[:, :4], atol=1e-3)


def test_a_border_weighs_less_than_its_sides() -> None:
    table, region = halves(noise=0.2)
    weights = weigh_by_similarity(
        components(table.X), spatial_neighbours(table.obsm["spatial"])
    ).tocoo()
    across = region[weights.row] != region[weights.col]
    assert weights.data[across].mean() < 0.1 * weights.data[~across].mean()
    graph = joint_graph(components(table.X), table.obsm["spatial"])
    assert abs(graph - graph.T).max() < 1e-12
    assert graph.diagonal().sum() == 0


def test_a_higher_resolution_gives_no_fewer_domains() -> None:
    table, _ = halves(noise=1.0)
    graph = joint_graph(components(table.X), table.obsm["spatial"])
    numbers = [leiden(graph, r, 0).max() + 1 for r in (0.05, 0.5, 3.0)]
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]


@pytest.mark.shared
def test_layers_of_the_olfactory_bulb_come_out_of_its_measured_expression(shared: Path) -> None:
    folder = shared / "mouse_olfactory_bulb"
    table = read_measured(folder / "Rep9.tsv.gz", folder / "Rep9_selection.tsv")
    layers = pd.read_csv(folder / "Rep9_annotations.tsv", sep="\t", index_col=0)
    layers.columns = layers.columns.str.replace("_", "x")
    layer = layers.loc[:, table.obs_names].to_numpy()
    known = layer.sum(0) == 1
    domains = find_domains(table, resolutions=[0.75, 1.0])
    truth = layer.argmax(0)[known]
    assert adjusted_rand_score(truth, domains.labels[known, 1]) > 0.4
    shuffled = np.random.default_rng(0).permutation(domains.labels[:, 1])[known]
    assert abs(adjusted_rand_score(truth, shuffled)) < 0.1
