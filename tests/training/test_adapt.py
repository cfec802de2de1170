"""A model is adapted to a section: what it learns, what it states, and what it refuses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.adaptable import make_model_for, make_visible_section
from builders.checkout import PROJECT
from builders.packages import make_package
from builders.sections import GENES, SectionFiles

from histospace_core.errors import MeasurementError, ModelError
from histospace_core.inference.at_spots import predict_at
from histospace_core.networks import ModelPackage, load_package
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.open import open_slide
from histospace_core.training import Section, adapt_model
from histospace_core.training.adapt_fit import ADAPT

QUICK = ADAPT.with_(epochs=20, batch=16, n_programmes=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SectionFiles:
    return make_visible_section(tmp_path_factory.mktemp("section"), "P1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, files: SectionFiles) -> ModelPackage:
    return make_model_for(tmp_path_factory.mktemp("models"), files)


def section_of(files: SectionFiles, **changes: object) -> Section:
    section = Section("P1", "P", files.image, files.counts, files.spots, 0.69)
    return replace(section, **changes)  # type: ignore[arg-type]


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[Path]:
    """The path of a package that must not appear."""
    yield tmp_path / "out" / "after"
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def adapted(
    tmp_path_factory: pytest.TempPathFactory, files: SectionFiles, model: ModelPackage
) -> ModelPackage:
    out = tmp_path_factory.mktemp("adapted") / "after"
    return adapt_model(model, section_of(files), out, recipe=QUICK, device="cpu")


@pytest.mark.slow
def test_the_package_states_what_it_was_adapted_on_and_how_well(
    adapted: ModelPackage, model: ModelPackage
) -> None:
    facts, metrics = adapted.config["adapted"], adapted.config["metrics"]
    assert load_package(adapted.directory).sha256 == adapted.sha256
    assert (facts["model"], facts["model_sha256"]) == (model.name, model.sha256)
    assert (facts["section"], facts["patient"], facts["n_spots"]) == ("P1", "P", 100)
    assert [s["section"] for s in adapted.config["training_sections"]] == ["T1", "P1"]
    assert metrics["held_out_by"] == "block"
    assert metrics["per_gene_pearson"] > 0.3
    assert metrics["per_gene_pearson"] > facts["unadapted"]["per_gene_pearson"] + 0.2
    assert metrics["mse_ratio_to_mean"] == pytest.approx(
        adapted.genes["mse_ratio_to_mean"].mean(), 1e-3
    )
    assert "interval" not in metrics
    assert adapted.genes["level_sd"].isna().all()
    assert adapted.genes["gene"].tolist() == list(GENES)
    card = adapted.card
    assert "for slides of patient P only" in card
    assert "no prediction intervals" in card
    assert "mean profile" in card


@pytest.mark.slow
def test_it_predicts_another_section_of_this_patient(adapted: ModelPackage, tmp_path: Path) -> None:
    other = make_visible_section(tmp_path, "P2", seed=5)
    spots = pd.read_csv(other.spots, sep="\t")
    truth = pd.read_csv(other.counts, sep="\t", index_col=0).to_numpy()
    with open_slide(other.image, 0.69) as slide:
        found = predict_at(slide, adapted, spots[["pixel_x", "pixel_y"]].to_numpy(float))
    first = truth[:, 0] > 30
    assert np.corrcoef(found.expression[:, 0], first)[0, 1] > 0.3


@pytest.mark.slow
def test_counts_of_other_spots_do_not_fit(
    files: SectionFiles, model: ModelPackage, tmp_path: Path, nothing_left: Path
) -> None:
    counts = pd.read_csv(files.counts, sep="\t", index_col=0)
    order = np.random.default_rng(0).permutation(len(counts))
    mixed = tmp_path / "mixed.tsv"
    pd.DataFrame(counts.to_numpy()[order], counts.index, counts.columns).to_csv(mixed, sep="\t")
    with pytest.raises(MeasurementError, match="check that slide and measurement"):
        adapt_model(model, section_of(files, counts=mixed), nothing_left, recipe=QUICK)


def test_only_histospace_plus(files: SectionFiles, tmp_path: Path, nothing_left: Path) -> None:
    model = make_package(tmp_path / "m")
    with pytest.raises(ModelError, match="only a HistoSPACE\\+ model can be adapted"):
        adapt_model(model, section_of(files), nothing_left)


def test_a_name_in_use_is_refused(files: SectionFiles, model: ModelPackage) -> None:
    with pytest.raises(ModelError, match="exists already"):
        adapt_model(model, section_of(files), model.directory)


def test_too_few_spots(model: ModelPackage, tmp_path: Path, nothing_left: Path) -> None:
    few = make_visible_section(tmp_path / "few", "P1", lattice=7)
    with pytest.raises(MeasurementError, match="has 49 spots, and at least 50 are needed"):
        adapt_model(model, section_of(few), nothing_left)


def test_spots_beside_the_slide(
    files: SectionFiles, model: ModelPackage, tmp_path: Path, nothing_left: Path
) -> None:
    spots = pd.read_csv(files.spots, sep="\t")
    spots["pixel_x"] += 1000
    moved = tmp_path / "moved.tsv"
    spots.to_csv(moved, sep="\t", index=False)
    with pytest.raises(MeasurementError, match="of 100 spots lie outside its image"):
        adapt_model(model, section_of(files, spots=moved), nothing_left)


def test_a_slide_that_it_was_trained_on(
    adapted_config: ModelPackage, files: SectionFiles, nothing_left: Path
) -> None:
    with pytest.raises(MeasurementError, match="was trained on the slide of section 'P1'"):
        adapt_model(adapted_config, section_of(files), nothing_left)


@pytest.fixture
def adapted_config(model: ModelPackage, files: SectionFiles) -> ModelPackage:
    """The model, as if it had been trained on the section."""
    known = [{"section": "P1", "patient": "P", "image_sha256": slide_sha256(files.image)}]
    return replace(model, config={**model.config, "training_sections": known})


@pytest.mark.parametrize(
    ("rename", "scale", "message"),
    [
        ({g: g.title() for g in GENES}, 1, "counts 1 of the model's 10 genes"),
        ({}, 0.37, "looks normalised"),
    ],
)
def test_other_genes_and_normalised_counts(
    rename: dict[str, str],
    scale: float,
    message: str,
    files: SectionFiles,
    model: ModelPackage,
    tmp_path: Path,
    nothing_left: Path,
) -> None:
    counts = pd.read_csv(files.counts, sep="\t", index_col=0).rename(columns=rename) * scale
    changed = tmp_path / "changed.tsv"
    counts.to_csv(changed, sep="\t")
    with pytest.raises(MeasurementError, match=message):
        adapt_model(model, section_of(files, counts=changed), nothing_left)


def test_a_level_that_no_patient_has(
    files: SectionFiles, tmp_path: Path, nothing_left: Path
) -> None:
    model = make_package(tmp_path / "m", genes=GENES, plus=True)
    with pytest.raises(MeasurementError, match="differs from the model's by 2"):
        adapt_model(model, section_of(files), nothing_left)


@pytest.mark.slow
@pytest.mark.shared
def test_a_model_is_adapted_to_a_real_section(shared: Path, tmp_path: Path) -> None:
    model = load_package(PROJECT / "models" / "histospace-plus-her2st")
    section = section_of_her2st(shared)
    with pytest.raises(MeasurementError, match="was trained on the slide of section 'C2'"):
        adapt_model(model, section, tmp_path / "known")
    # its weights have seen the section, so the scores of the unadapted model mean nothing here
    strange = replace(model, config={**model.config, "training_sections": []})
    quick = ADAPT.with_(epochs=2)
    package = adapt_model(strange, section, tmp_path / "after", extend=True, recipe=quick)
    facts, metrics = package.config["adapted"], package.config["metrics"]
    assert facts["n_genes_added"] > 500
    assert metrics["n_genes"] == facts["n_genes_added"] + len(model.genes)
    assert metrics["per_gene_pearson"] > 0.1
    assert metrics["mse_ratio_to_mean"] < 1


def section_of_her2st(shared: Path) -> Section:
    """Section C2."""
    folder = shared / "her2st"
    return Section(
        "C2",
        "C",
        folder / "ST-imgs" / "C" / "C2" / "5714_HE_BT_C2.jpg",
        folder / "ST-cnts" / "C2.tsv.gz",
        folder / "ST-spotfiles" / "C2_selection.tsv",
        0.69,
    )
