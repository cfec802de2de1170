"""A finished evaluation in a browser: its numbers are those of its files."""

import json

import numpy as np
import pandas as pd
import pytest
from browser import steps

from histospace_core.catalog import Catalog, Kind
from histospace_core.catalog.records import EvaluateRecord
from histospace_core.evaluation.summary import summarise

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def evaluation(app, page):
    """A run whose folder holds what `evaluate` writes; `page` first, so that the catalog exists."""
    page.goto("/scores")
    page.get_by_role("heading", name="Evaluation", level=1).wait_for()
    catalog = Catalog(f"sqlite:///{(app.store / 'catalog.db').as_posix()}")
    run = catalog.add_run(
        None, "histospace", {"n": 1}, runs_dir=app.store / "runs", kind=Kind.EVALUATE
    )
    catalog.claim(run.id, "test")
    rng = np.random.default_rng(0)
    genes = pd.DataFrame(
        {
            "gene": [f"G{i}" for i in range(80)] * 2,
            "test": ["B4"] * 80 + ["C2"] * 80,
            "seed": 0,
            "pearson": rng.normal(0.2, 0.1, 160),
            "noise_ceiling": 0.6,
        }
    )
    folds = [
        {
            "test": name,
            "patient": name[0],
            "n_spots": 200,
            "n_genes": 80,
            "seed": 0,
            "per_gene_pearson": rows["pearson"].mean(),
            "per_gene_pearson_hvg50": 0.25,
            "mse_ratio_to_mean": 0.9,
            "per_spot_pearson": 0.4,
            "mean_profile_per_spot_pearson": 0.45,
            "noise_ceiling": 0.6,
            "share_of_noise_ceiling": rows["pearson"].mean() / 0.6,
            "train_seconds": 3.0,
        }
        for name, rows in genes.groupby("test")
    ]
    summary = {
        "network": "histospace",
        "folds": folds,
        "protocol": {"leaks": ["the gene filter used the held-out spots"]},
        "summary": summarise(folds),
    }
    run.directory.mkdir(parents=True)
    (run.directory / "summary.json").write_text(json.dumps(summary))
    genes.to_csv(run.directory / "genes.csv", index=False)
    record = EvaluateRecord.model_validate({**summary, "n_parameters": 1})
    catalog.finish(run.id, record=record)
    yield run, genes
    catalog.delete_run(run.id)
    catalog.close()


def test_scores_stand_beside_the_mean_profile_and_the_ceiling(page, evaluation):
    run, genes = evaluation
    page.goto(f"/scores?evaluation={run.id}&section=C2")
    page.get_by_text("These scores are optimistic: the gene filter used").wait_for()
    mean = genes["pearson"].mean()
    page.get_by_text(f"{mean:.3f}", exact=True).first.wait_for()
    page.get_by_text("mean profile: 0.45").wait_for()
    page.get_by_text("its per-spot r is not above the mean profile's").wait_for()
    figure = steps.plot(page)
    on_c2 = genes[genes["test"] == "C2"]["pearson"].mean()
    figure.get_by_text(f"mean {on_c2:.2f}").wait_for()
    figure.get_by_text("mean profile, no image: 0").wait_for()
    table = steps.download(page, "Scores of all genes as CSV")
    np.testing.assert_allclose(table["pearson"], genes["pearson"])
    page.get_by_label("Find genes").fill("G7")
    page.get_by_label("Find genes").press("Enter")
    page.get_by_text("11 of 80 genes").wait_for()


def test_a_damaged_evaluation_is_a_sentence(page, evaluation):
    run, _ = evaluation
    (run.directory / "summary.json").write_text("{")
    page.goto(f"/scores?evaluation={run.id}")
    page.get_by_text("missing or damaged: run the evaluation again").wait_for()
    page.get_by_role("tab", name="Leaderboard").click()
    assert page.get_by_text("Traceback").count() == 0
