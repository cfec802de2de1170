"""Scores of a section: the contract's keys, their baselines, and real tissue."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.held_out import make_held, smooth_maps
from scipy import sparse

from histospace_core.errors import CohortError
from histospace_core.evaluation import (
    DEFINITIONS,
    GeneSets,
    HeldOut,
    gene_sets,
    mse_ratio_to_mean,
    pearson_given_depth,
    per_gene_pearson,
    per_spot_pearson,
    score_section,
    summarise,
)
from histospace_core.evaluation.noise import SHARE_COLUMNS, share_of
from histospace_core.expression import normalise, read_measured

CONTRACT = {
    "test", "patient", "n_spots", "n_genes", "per_gene_pearson", "per_gene_pearson_hvg50",
    "mse_ratio_to_mean", "per_spot_pearson", "mean_profile_per_spot_pearson", "noise_ceiling",
}  # fmt: skip
SETS = GeneSets(np.arange(0, 5), np.arange(3, 8))


@pytest.fixture(scope="module")
def held() -> HeldOut:
    """Smooth truth seen through Poisson noise, predicted with an error; one gene is constant."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(8 * np.exp(0.5 * smooth_maps(rng, 10)))
    counts[:, 9] = 0
    measured = normalise(sparse.csr_matrix(counts))
    mean = measured.mean(0) + 0.02
    predicted = mean + 0.4 * (measured - mean) + rng.normal(scale=0.05, size=measured.shape)
    return make_held(measured, predicted, counts=counts, mean=mean)


def test_the_contracts_keys_hold_what_they_say(held: HeldOut) -> None:
    row = score_section(held, SETS)
    assert set(row) >= CONTRACT
    x, y, mean = held.measured[:, :9], held.predicted[:, :9], held.mean_profile[:9]
    r = per_gene_pearson(x, y)
    assert (row["n_spots"], row["n_genes"]) == (144, 9)
    assert row["per_gene_pearson"] == pytest.approx(r.mean())
    assert row["per_gene_pearson_hvg50"] == pytest.approx(r[:5].mean())
    assert row["per_gene_pearson_svg50"] == pytest.approx(r[3:8].mean())
    assert row["mse_ratio_to_mean"] == pytest.approx(mse_ratio_to_mean(x, y, mean))
    assert row["per_spot_pearson"] == pytest.approx(per_spot_pearson(x, y).mean())
    flat = np.broadcast_to(mean, x.shape)
    assert row["mean_profile_per_spot_pearson"] == pytest.approx(per_spot_pearson(x, flat).mean())
    assert row["mse_ratio_to_mean"] == pytest.approx((row["rmse"] / row["mean_profile_rmse"]) ** 2)
    low, high = row["per_gene_pearson_ci"]
    assert low < row["per_gene_pearson"] < high
    depth = np.asarray(held.counts.sum(1)).ravel()
    given_depth = pearson_given_depth(held.measured, held.predicted, depth)[:9]
    assert row["per_gene_pearson_given_depth"] == pytest.approx(given_depth.mean())
    assert row["noise_ceiling_low"] < row["noise_ceiling"]
    ends = (row["noise_ceiling_low"], row["noise_ceiling"])
    shares = tuple(row[column] for column in SHARE_COLUMNS)
    assert shares == pytest.approx(share_of(given_depth.mean(), *ends))
    assert row["ssim_hvg50"] > row["mean_profile_ssim_hvg50"]
    assert row["n_genes_beating_mean"] == 9


def test_a_row_is_json_and_every_score_is_defined(held: HeldOut) -> None:
    row = score_section(held, SETS)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    genes = row["genes"]
    assert {len(column) for column in genes.values()} == {10}
    for name in set(genes) - {"gene"}:
        assert genes[name][9] is None
        assert None not in genes[name][:9]
    known = [d.removesuffix("_ci") for d in DEFINITIONS]
    for key in set(row) - {"test", "patient", "n_spots", "n_genes"}:
        assert any(name in key for name in known), key


def test_noise_in_the_truth_makes_smoothed_scores_higher_and_they_say_so() -> None:
    rng = np.random.default_rng(0)
    truth = smooth_maps(rng, 8, sigma=2.0)
    noisy = make_held(truth + rng.normal(size=truth.shape), truth, mean=np.zeros(8))
    row = score_section(noisy, SETS)
    assert row["smoothed"]["per_gene_pearson"] > row["per_gene_pearson"] + 0.1
    assert "not comparable" in DEFINITIONS["smoothed"]


def test_the_mean_profile_has_no_skill_by_any_score(held: HeldOut) -> None:
    flat = dataclasses.replace(
        held, predicted=np.broadcast_to(held.mean_profile, held.measured.shape)
    )
    row = score_section(flat, SETS)
    for key in (
        "per_gene_pearson", "per_gene_pearson_given_depth", "share_of_noise_ceiling",
        "share_of_noise_ceiling_low", "per_gene_spearman", "variance_ratio",
    ):  # fmt: skip
        assert row[key] == 0
    assert row["n_genes_beating_mean"] == 0
    assert row["mse_ratio_to_mean"] == 1
    assert row["ssim_hvg50"] == row["mean_profile_ssim_hvg50"]
    assert row["per_spot_pearson"] == row["mean_profile_per_spot_pearson"]
    assert row["per_gene_pearson_ci"] == [0, 0]


def test_without_counts_there_is_no_ceiling_and_spots_in_a_row_have_no_map(held: HeldOut) -> None:
    line = np.column_stack([np.arange(144) * 300.0, np.zeros(144)])
    row = score_section(dataclasses.replace(held, counts=None, centres=line), SETS)
    assert row["noise_ceiling"] is row["noise_ceiling_low"] is row["ssim_hvg50"] is None
    assert row["share_of_noise_ceiling"] is row["share_of_noise_ceiling_low"] is None
    assert row["per_gene_pearson_given_depth"] is None
    json.dumps(row, allow_nan=False)


def test_a_section_in_which_nothing_varies() -> None:
    flat = make_held(np.zeros((36, 8)), np.ones((36, 8)))
    with pytest.raises(CohortError, match="section 'S1'"):
        score_section(flat, SETS)


@pytest.mark.shared
def test_two_real_sections_and_the_mean_profile(shared: Path) -> None:
    """C2 predicts C3 by its mean, and by the nearest spot of C2: the sections are neighbours."""
    data = {
        name: read_measured(
            shared / f"her2st/ST-cnts/{name}.tsv.gz",
            shared / f"her2st/ST-spotfiles/{name}_selection.tsv",
        )
        for name in ("C2", "C3")
    }
    learn, test = data["C2"], data["C3"]
    often = np.asarray((learn.X > 0).mean(0)).ravel() > 0.5
    genes = [g for g in learn.var_names[often] if g in test.var_names]
    expression = normalise(learn, genes=genes)
    mean = expression.mean(0)
    columns = test.var_names.get_indexer(pd.Index(genes))
    flat = HeldOut(
        "C3",
        "C",
        tuple(genes),
        normalise(test, genes=genes),
        np.broadcast_to(mean, (test.n_obs, len(genes))),
        mean,
        sparse.csr_matrix(test.X)[:, columns],
        test.obsm["spatial"],
        np.ones(len(genes), bool),
        np.asarray(test.X.sum(1), dtype=np.float64).ravel(),
    )
    sets = gene_sets([expression], [learn.obsm["spatial"]])
    assert len(set(sets.hvg50) & set(sets.svg50)) > 15  # in real tissue they overlap
    row = score_section(flat, sets)
    assert (row["n_spots"], row["per_gene_pearson"]) == (180, 0)
    assert 0.5 < row["mean_profile_per_spot_pearson"] < 0.8
    assert 0.15 < row["noise_ceiling_low"] < row["noise_ceiling"] < 0.45
    truth = score_section(dataclasses.replace(flat, predicted=flat.measured), sets)
    assert truth["per_gene_pearson"] == pytest.approx(1)
    assert truth["ssim_hvg50"] == pytest.approx(1)
    assert 0.2 < truth["smoothed"]["per_gene_pearson"] < 0.9
    summary = summarise([row])
    assert summary["resampled"] == "spots"
    assert summary["scores"]["noise_ceiling"]["mean"] == row["noise_ceiling"]
