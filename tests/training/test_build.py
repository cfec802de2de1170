"""From a cohort table to a package, and from a cohort to a summary, on small real files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from builders.cohorts import N_GENES, make_section
from builders.held_out import make_held, smooth_maps
from PIL import Image

from histospace_core.errors import CohortError, ModelError
from histospace_core.networks import load_package
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.open import open_slide
from histospace_core.training import MENDED, evaluate_cohort, train_from_cohort
from histospace_core.training.build import _config, score_panel
from histospace_core.training.panel import Panel
from histospace_core.training.registry import method_named

QUICK = MENDED.with_(autoencoder_epochs=1, autoencoder_batch=16, epochs=60, batch=8, lr=5e-4)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, three sections, as PNG, counts and spots on disk."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = ["section,patient,image,counts,spots,mpp"]
    for name in ("A1", "A2", "B1"):
        section = make_section(name, name[0], n=16)
        width = 300 * 16 + 400
        image = np.full((600, width, 3), 240, np.uint8)
        stroma = np.random.default_rng(0).normal((215, 150, 190), 12, (300, width - 200, 3))
        image[50:350, 100:-100] = stroma.clip(0, 255)
        centres = section.measured.obsm["spatial"].copy()
        centres[:, 1] = 200
        for tile, (x, y) in zip(section.tiles, centres.astype(int), strict=True):
            image[y - 64 : y + 64, x - 64 : x + 64] = tile * (1, 0.7, 0.9)
        Image.fromarray(image).save(folder / f"{name}.png")
        names = [f"{i}x1" for i in range(16)]
        counts = section.measured.X.toarray().astype(int)
        pd.DataFrame(counts, names, section.measured.var_names).to_csv(
            folder / f"{name}.tsv", sep="\t"
        )
        spots = pd.DataFrame({"x": range(16), "y": 1, "new_x": range(16), "new_y": 1})
        spots["pixel_x"], spots["pixel_y"] = centres.T
        spots.assign(selected=1).to_csv(folder / f"{name}_spots.tsv", sep="\t", index=False)
        rows.append(f"{name},{name[0]},{name}.png,{name}.tsv,{name}_spots.tsv,0.69")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder / "cohort.csv"


def test_a_package_with_scores_from_unseen_patients(cohort: Path, tmp_path: Path) -> None:
    stages: list[int] = []
    package = train_from_cohort(
        cohort,
        tmp_path / "model",
        recipe=QUICK,
        device="cpu",
        data_note="Made for a test.",
        on_progress=lambda event: stages.append(event.done),
    )
    assert stages == sorted(stages)
    assert load_package(tmp_path / "model").sha256 == package.sha256
    assert len(package.genes) == N_GENES
    assert package.config["metrics"]["held_out_by"] == "patient"
    assert package.genes["held_out_pearson"].mean() > 0.5
    assert (package.genes["ci_low"] <= package.genes["held_out_pearson"]).all()
    assert "Made for a test." in package.card
    assert "Research use only" in package.card
    assert [s["section"] for s in package.config["training_sections"]] == ["A1", "A2", "B1"]
    assert not (tmp_path / "model.work").exists()
    with pytest.raises(ModelError, match="exists already"):
        train_from_cohort(cohort, tmp_path / "model", recipe=QUICK)


def test_sections_left_out_one_by_one_may_have_different_panels() -> None:
    rng = np.random.default_rng(0)
    maps = smooth_maps(rng, 5)
    first = make_held(maps[:, :4], maps[:, :4], section="A1", genes=tuple("WXYZ"))
    second = make_held(maps[:, [0, 2, 4]], maps[:, [2, 0, 4]], section="A2", genes=tuple("XZV"))
    panel = Panel(tuple("VWXYZ"), ("",) * 5)
    scores = score_panel(panel, [first, second]).set_index("gene")["held_out_pearson"]
    r = np.corrcoef(maps[:, 0], maps[:, 2])[0, 1]
    assert scores[["X", "Z"]].to_numpy() == pytest.approx((1 + r) / 2, abs=1e-5)
    assert scores[["V", "W", "Y"]].isna().all(), "not held out in every section"


def test_what_another_training_left_is_kept_and_harms_nothing(cohort: Path, tmp_path: Path) -> None:
    left = (
        tmp_path / "evaluation" / "work" / "tuned.safetensors",
        (tmp_path / "model.work" / "fold0" / "tuned.safetensors"),
    )
    for file in left:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"of another recipe")
    evaluate_cohort(cohort, tmp_path / "evaluation", recipe=QUICK, train=["A1", "A2"], test=["B1"])
    train_from_cohort(cohort, tmp_path / "model", recipe=QUICK)
    assert (tmp_path / "evaluation" / "summary.json").exists()
    assert load_package(tmp_path / "model").genes["reliable"].any()
    assert [file.read_bytes() for file in left] == [b"of another recipe"] * 2
    assert not (tmp_path / "model.work" / "final").exists()


def test_summary_of_an_evaluation_follows_the_contract(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    arguments = {"recipe": QUICK, "seeds": (0, 1), "device": "cpu"}
    summary = evaluate_cohort(cohort, out, train=["A1", "A2"], test=["B1"], **arguments)
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["n_parameters"] == 2_338_944 + 257 * N_GENES
    keys = {
        "test", "patient", "n_spots", "n_genes", "per_gene_pearson", "per_gene_pearson_hvg50",
        "mse_ratio_to_mean", "per_spot_pearson", "mean_profile_per_spot_pearson", "noise_ceiling",
        "train_seconds",
    }  # fmt: skip
    for seed, row in enumerate(summary["folds"]):
        assert keys <= set(row)
        assert (row["test"], row["patient"], row["n_spots"], row["seed"]) == ("B1", "B", 16, seed)
        assert row["per_gene_pearson"] > 0.5
        assert row["mse_ratio_to_mean"] < 1
    assert summary["protocol"]["leaks"] == []
    assert len(pd.read_csv(out / "genes.csv")) == 2 * N_GENES
    again = evaluate_cohort(cohort, out, train=["A1", "A2"], test=["B1"], **arguments)
    assert again["folds"] == summary["folds"], "a finished fold is not computed again"


def test_the_baseline_scores_one_and_nothing(cohort: Path, tmp_path: Path) -> None:
    (row,) = evaluate_cohort(
        cohort, tmp_path / "mean", network="mean-profile", train=["A1", "A2"], test=["B1"]
    )["folds"]
    assert row["mse_ratio_to_mean"] == pytest.approx(1)
    assert row["per_gene_pearson"] == 0
    assert row["n_parameters"] == 0
    assert row["per_spot_pearson"] == pytest.approx(row["mean_profile_per_spot_pearson"])


def test_sections_of_a_training_patient_are_marked(cohort: Path, tmp_path: Path) -> None:
    summary = evaluate_cohort(
        cohort,
        tmp_path / "e",
        recipe=QUICK.with_(epochs=1),
        folds="section",
        train=["A1", "B1"],
        test=["A2"],
    )
    assert summary["folds"][0]["same_patient_in_training"]
    assert summary["protocol"]["leaks"] == ["a patient is on both sides"]


def test_unknown_networks(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="Unknown network"):
        evaluate_cohort(cohort, tmp_path / "x", network="hist2st")
    with pytest.raises(CohortError, match="cannot be trained"):
        train_from_cohort(cohort, tmp_path / "x", network="mean-profile")


@pytest.mark.shared
def test_a_package_knows_a_slide_of_several_files(shared: Path, tmp_path: Path) -> None:
    """Training records the hash by which a prediction recognises the slide: not of one file."""
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        shutil.copy(shared / "slides" / name, tmp_path)
    mirax = tmp_path / "b.mrxs"
    mirax.write_bytes(b"index")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "Data0000.dat").write_bytes(b"pixels")
    data = {}
    for name, image in (("A1", tmp_path), ("B1", mirax)):
        made = make_section(name, name[0])
        data[name] = replace(made, section=replace(made.section, image=image))
    genes = pd.DataFrame({"held_out_pearson": [], "reliable": [], "mse_ratio_to_mean": []})
    method = method_named("histospace")
    trained = SimpleNamespace(arguments={}, n_parameters=0)
    config = _config(method, QUICK, trained, data, [], genes)  # type: ignore[arg-type]
    dicom, other = (s["image_sha256"] for s in config["training_sections"])
    with open_slide(tmp_path) as slide:
        assert slide.sha256() == dicom
    assert slide_sha256(mirax) == other


def test_counts_alone_make_intervals_for_a_new_patient(cohort: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    genes = pd.read_csv(cohort.parent / "A1.tsv", sep="\t", index_col=0).columns
    rows = ["section,patient,counts"]
    for name in ("C1", "C2", "D1", "E1"):
        rates = 30 * 10 ** (0.2 * rng.normal(size=len(genes)))
        counts = rng.poisson(rates, (20, len(genes)))
        pd.DataFrame(counts, [f"{i}x1" for i in range(20)], genes).to_csv(
            tmp_path / f"{name}.tsv", sep="\t"
        )
        rows.append(f"{name},{name[0]},{name}.tsv")
    levels = tmp_path / "levels.csv"
    levels.write_text("\n".join(rows) + "\n")
    recipe = QUICK.with_(epochs=2)
    package = train_from_cohort(cohort, tmp_path / "model", recipe=recipe, levels=levels)
    interval = package.config["metrics"]["interval"]
    assert interval["n_patients"] == 5
    assert set(interval["measured_coverage"]) == {"A1", "A2", "B1"}
    assert set(interval["level_coverage"]) == set("ABCDE")
    assert package.genes[["level_log10_cp10k", "level_sd", "spot_sd"]].notna().all(axis=None)
    assert package.config["count_only_sections"] == {"C": ["C1", "C2"], "D": ["D1"], "E": ["E1"]}
    assert "patient C (C1, C2)" in package.card
    assert package.genes[["map_slope", "map_slope_sd", "confirmed_scale"]].notna().all(axis=None)
    assert sum(package.config["metrics"]["confirmed_scales"].values()) == len(package.genes)
    assert "Down to which scale its maps were confirmed" in package.card
    assert interval["promise"] in package.card
    without = evaluate_cohort(cohort, tmp_path / "without", network="mean-profile")
    moved = evaluate_cohort(cohort, tmp_path / "moved", network="mean-profile", levels=levels)
    for plain, row in zip(without["folds"], moved["folds"], strict=True):
        assert plain["mse_ratio_to_levels"] is None
        assert row["mse_ratio_to_levels"] == pytest.approx(1), "it is the baseline itself"
        assert row["mse_ratio_to_mean"] != pytest.approx(plain["mse_ratio_to_mean"])
    assert moved["protocol"]["count_only_sections"] == ["C1", "C2", "D1", "E1"]
