"""Model packages as the pages show and hand them out."""

import io
import zipfile
from dataclasses import replace

import pytest
from builders.packages import make_package

from histospace_core.catalog import ModelRow
from histospace_core.networks import load_package
from histospace_core.web.library.model_cards import (
    card_markdown,
    overview,
    package_zip,
    same_training_data,
    score_warning,
    shared_genes,
)


def row(**metrics: object) -> ModelRow:
    sections = [{"section": "C2", "patient": "C"}, {"section": "C3", "patient": "C"}]
    return ModelRow(name="m", summary={"training_sections": sections, "metrics": metrics})


def test_the_zip_is_the_package(tmp_path):
    package = make_package(tmp_path / "models", "liver")
    with zipfile.ZipFile(io.BytesIO(package_zip(package))) as archive:
        archive.extractall(tmp_path / "out")
    again = load_package(tmp_path / "out" / "liver")
    assert again.sha256 == package.sha256
    again.load()


def test_genes_of_both_models_side_by_side(tmp_path):
    one = make_package(tmp_path, "one", ("ERBB2", "CD74", "KRT19"))
    other = make_package(tmp_path, "other", ("KRT19", "VIM", "ERBB2"))
    table = shared_genes(one, other)
    assert list(table["gene"]) == ["ERBB2", "KRT19"]
    assert list(table["difference"]) == pytest.approx([0.2, -0.2])


def test_the_same_sections_under_other_names_are_the_same(tmp_path):
    def trained_on(*sections):
        listed = [
            dict(zip(("section", "patient", "image_sha256"), s, strict=True)) for s in sections
        ]
        return replace(package, config={**package.config, "training_sections": listed})

    package = make_package(tmp_path)
    one = trained_on(("C2", "C", "aa"), ("C3", "C", "bb"))
    assert same_training_data(one, trained_on(("x", "C", "bb"), ("y", "C", "aa")))
    assert not same_training_data(one, trained_on(("C2", "C", "aa")))
    assert not same_training_data(one, trained_on(("C2", "C", "aa"), ("C3", "D", "bb")))


def test_a_card_shows_no_picture_link_or_html(tmp_path):
    package = make_package(tmp_path)
    card = "# small\n\n## Trust\n![x](http://x) [a](http://a) <img src=x> a < b\n"
    (package.directory / "README.md").write_text(card)
    shown = card_markdown(package)
    assert shown == "\n#### Trust\n\\![x]\\(http://x) [a]\\(http://a) \\<img src=x> a < b\n"


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({}, "is unknown"),
        ({"mse_ratio_to_mean": 1.2, "held_out_by": "patient"}, "does not beat"),
        ({"mse_ratio_to_mean": 0.9, "held_out_by": "section"}, "expect lower scores"),
        ({"mse_ratio_to_mean": 0.9, "held_out_by": "patient"}, None),
        ({"mse_ratio_to_mean": 0.9, "held_out_by": "block"}, "only for slides of one patient"),
        ({"mse_ratio_to_mean": 1.2, "held_out_by": "block"}, "only for slides of one patient"),
    ],
)
def test_what_must_be_said_with_scores(metrics, said):
    words = score_warning(row(**metrics))
    assert words is None if said is None else said in words


def test_the_overview_counts_sections_and_patients():
    table = overview([row(per_gene_pearson=0.1)])
    assert table.loc[0, ["sections", "patients", "held_out_r"]].tolist() == [2, 1, 0.1]
