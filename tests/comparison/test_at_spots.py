"""The second prediction of a comparison, from the files of a section."""

import json
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.packages import make_package
from builders.sections import SectionFiles, make_section_files
from builders.slide_files import MPP

import histospace_core as hs
from histospace_core.comparison.at_spots import LAYER, predict_at_run_spots
from histospace_core.comparison.compare import compare_run, open_comparison
from histospace_core.comparison.gene_table import AT_SPOTS, COLUMNS
from histospace_core.comparison.given_depth import COLUMNS as GIVEN_DEPTH
from histospace_core.errors import ModelError, SlideError
from histospace_core.expression import read_measured
from histospace_core.inference import Prediction, open_prediction, predict_slide
from histospace_core.networks import ModelPackage
from histospace_core.progress import Progress, no_progress
from histospace_core.slides.open import open_slide


@dataclass(frozen=True)
class Section:
    """A predicted section with its measurement."""

    files: SectionFiles
    model: ModelPackage
    run: Prediction

    @property
    def measured(self) -> anndata.AnnData:
        return read_measured(self.files.counts, self.files.spots)


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Section:
    folder = tmp_path_factory.mktemp("section")
    files = make_section_files(folder, "B4", seed=1)
    model = make_package(folder)
    with open_slide(files.image, MPP) as slide:
        predict_slide(slide, model, folder / "run", fast=False)
    return Section(files, model, open_prediction(folder / "run"))


def test_both_predictions_are_scored_over_the_same_spots(section: Section, tmp_path: Path) -> None:
    seen: list[Progress] = []
    result = hs.compare(
        section.run,
        section.measured,
        out=tmp_path / "cmp",
        slide=section.files.image,
        model=section.model,
        device="cpu",
        on_progress=seen.append,
    )
    summary = json.loads((tmp_path / "cmp" / "summary.json").read_text())
    at_spots = summary["at_spots"]
    assert summary["label"] == "the average of the map's tiles around the spot"
    assert at_spots["label"] == "a tile centred on the spot"
    for key in (
        "n_spots",
        "n_genes_scored",
        "noise_ceiling",
        "noise_ceiling_low",
        "mean_profile_per_spot_pearson",
    ):
        assert at_spots[key] == summary[key]
    assert (seen[-1].done, seen[-1].total) == (section.measured.n_obs, section.measured.n_obs)
    table = pd.read_csv(tmp_path / "cmp" / "genes.csv").set_index("gene")
    assert tuple(table.reset_index().columns) == (*COLUMNS, *GIVEN_DEPTH, *AT_SPOTS.values())
    spots = open_comparison(tmp_path / "cmp").spots
    measured, predicted = (spots[:, "ERBB2"].layers[k].ravel() for k in ("measured", LAYER))
    r = float(np.corrcoef(measured, predicted)[0, 1])
    assert table.loc["ERBB2", "pearson_at_spots"] == pytest.approx(r, abs=1e-4)
    assert np.isnan(table.loc["ADIPOQ", "pearson_at_spots"]), "not measured"
    scored = table["pearson_at_spots"].dropna()
    assert at_spots["per_gene_pearson"] == pytest.approx(scored.mean(), abs=1e-4)
    assert result.summary == summary


def test_a_measured_spot_on_a_tiles_centre_has_one_value(section: Section, tmp_path: Path) -> None:
    prediction = section.run
    rng = np.random.default_rng(0)
    measured = anndata.AnnData(
        rng.poisson(20, (len(prediction.centres), 3)).astype(np.float32),
        var=pd.DataFrame({"gene_id": ""}, index=["ERBB2", "COL1A1", "ACTB"]),
        obsm={"spatial": prediction.centres},
    )
    measured.obs["total_counts"] = measured.X.sum(1)
    with open_slide(section.files.image, MPP) as slide:
        found = predict_at_run_spots(
            prediction, slide, section.model, prediction.centres, "cpu", no_progress
        )
    np.testing.assert_allclose(found.expression, prediction.matrix(), atol=1e-4)
    spots = hs.compare(
        prediction,
        measured,
        out=tmp_path / "cmp",
        slide=section.files.image,
        model=section.model,
        device="cpu",
    ).spots
    columns = prediction.var.index.get_indexer(spots.var_names)
    rows = pd.Index(map(tuple, prediction.centres)).get_indexer(
        list(map(tuple, spots.obsm["spatial"]))
    )
    np.testing.assert_allclose(spots.layers[LAYER], found.expression[np.ix_(rows, columns)])


def test_without_the_slide_only_the_map_is_scored(section: Section, tmp_path: Path) -> None:
    result = hs.compare(section.run, section.measured, out=tmp_path / "cmp")
    assert result.summary["at_spots"] is None
    assert LAYER not in result.spots.layers
    assert tuple(result.genes.columns) == (*COLUMNS, *GIVEN_DEPTH)


def test_a_comparison_of_an_earlier_version_opens(section: Section, tmp_path: Path) -> None:
    result = hs.compare(section.run, section.measured, out=section.run.run_dir / "comparisons/old")
    file = result.directory / "summary.json"
    summary = json.loads(file.read_text())
    del summary["at_spots"], summary["label"], summary["measured_notes"]
    file.write_text(json.dumps(summary))
    assert open_comparison(result.directory).summary == summary
    report = hs.export(section.run, tmp_path / "report.html", to="report", genes=["ERBB2"])
    assert "Comparison with measured expression" in report.read_text("utf-8")


def test_another_slide_and_another_model_are_refused(section: Section, tmp_path: Path) -> None:
    other = make_section_files(tmp_path, "C2", seed=2).image
    out = tmp_path / "cmp"
    with pytest.raises(SlideError, match="not the slide that the run predicted"):
        hs.compare(section.run, section.measured, out=out, slide=other, model=section.model)
    model = make_package(tmp_path, genes=("ERBB2", "CD74"))
    with pytest.raises(ModelError, match="'small' has changed since this run was made"):
        hs.compare(section.run, section.measured, out=out, slide=section.files.image, model=model)
    assert not out.exists()


def test_measured_genes_that_never_vary_have_no_score(section: Section, tmp_path: Path) -> None:
    measured = section.measured
    measured.X = np.ones(measured.shape, np.float32)
    measured.obs["total_counts"] = float(measured.n_vars)
    with open_slide(section.files.image, MPP) as slide:
        summary = compare_run(
            section.run.run_dir,
            measured,
            tmp_path / "cmp",
            slide=slide,
            model=section.model,
            device="cpu",
        ).summary
    for scores in (summary, summary["at_spots"]):
        assert scores["n_genes_scored"] == 0
        assert scores["per_gene_pearson"] is None
