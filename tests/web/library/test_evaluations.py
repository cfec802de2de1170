"""What `evaluate` left is read for the page; what is damaged is said so."""

import json
import math

import pandas as pd
import pytest

from histospace_core.errors import StoreError
from histospace_core.evaluation.summary import summarise
from histospace_core.web.library.evaluations import read_evaluation, read_leaderboard


def fold(test: str, patient: str, r: float, seed: int = 0) -> dict:
    return {
        "test": test,
        "patient": patient,
        "n_spots": 100,
        "n_genes": 2,
        "seed": seed,
        "per_gene_pearson": r,
        "per_gene_pearson_hvg50": 2 * r,
        "mse_ratio_to_mean": 0.9,
        "per_spot_pearson": 0.4,
        "mean_profile_per_spot_pearson": 0.35,
        "noise_ceiling": 0.5,
        "train_seconds": 1.0,
    }


@pytest.fixture
def folder(tmp_path):
    folds = [fold("B4", "B", 0.1), fold("B4", "B", 0.3, 1), fold("C2", "C", 0.1)]
    folds.append(fold("C3", "C", 0.3))
    leaks = {"leaks": ["a patient is on both"]}
    summary = {"network": "n", "folds": folds, "protocol": leaks, "summary": summarise(folds)}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    genes = pd.DataFrame(
        {
            "gene": ["NA", "CD74", "CD74", "CD74"],
            "test": ["B4", "B4", "B4", "C2"],
            "seed": [0, 0, 1, 0],
            "pearson": [None, 0.2, 0.4, 0.9],
        }
    )
    genes.to_csv(tmp_path / "genes.csv", index=False)
    return tmp_path


def test_seeds_then_sections_then_patients_are_averaged(folder):
    evaluation = read_evaluation(folder)
    assert evaluation.mean("per_gene_pearson") == pytest.approx(0.2)
    assert evaluation.leaks == ["a patient is on both"]
    assert list(evaluation.folds["test"]) == ["B4", "B4", "C2", "C3"]
    genes = evaluation.section_genes("B4")
    assert genes["gene"].tolist() == ["CD74", "NA"]
    assert genes["pearson"].tolist() == pytest.approx([0.3, math.nan], nan_ok=True)


def test_every_score_stands_beside_the_mean_profiles(folder):
    table = read_evaluation(folder).table().set_index("score")
    assert table.loc["per-gene r", ["network", "mean_profile"]].tolist() == pytest.approx([0.2, 0])
    assert table.loc["error ratio (below 1 is better)", "mean_profile"] == 1
    spot = table.loc["per-spot r (misleading on its own)"]
    assert spot[["network", "mean_profile"]].tolist() == pytest.approx([0.4, 0.35])
    assert (table["low"] <= table["network"]).all()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("summary.json", "{"),
        ("summary.json", "[]"),
        ("summary.json", '{"folds": []}'),
        ("summary.json", '{"folds": [{"test": "B4"}], "summary": {"scores": 3}}'),
        ("genes.csv", "a,b\n1,2\n"),
        ("genes.csv", ""),
    ],
)
def test_damaged_results_are_a_sentence(folder, file, text):
    (folder / file).write_text(text)
    with pytest.raises(StoreError, match="run the evaluation again"):
        read_evaluation(folder)


def test_a_missing_result_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="missing or damaged"):
        read_evaluation(tmp_path)


def test_the_leaderboard_is_sorted_best_first_within_its_split(tmp_path):
    file = tmp_path / "leaderboard.csv"
    assert read_leaderboard(file) is None
    file.write_text(
        "network,n_parameters,split,per_gene_pearson\na,1,C,0.1\nb,2,B4,0.2\nc,3,C,0.3\n"
    )
    table = read_leaderboard(file)
    assert list(table["network"]) == ["b", "c", "a"]
    assert list(table.columns[:3]) == ["network", "split", "per_gene_pearson"]
    file.write_text("x\n1\n")
    with pytest.raises(StoreError, match="not a leaderboard"):
        read_leaderboard(file)
