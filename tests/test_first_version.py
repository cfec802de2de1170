"""What the first version of HistoSPACE left in a store opens in every page and by every command."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders import first_version as old
from builders.serving import Server, serve
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import histospace_core as hs
from histospace_core.catalog import Catalog, Kind
from histospace_core.catalog.records import EvaluateRecord, ExportRecord, ImportRecord, TrainRecord
from histospace_core.cli import app as commands
from histospace_core.errors import StoreError
from histospace_core.exports import FORMS
from histospace_core.shipped import SHIPPED

ERBB2 = [0.03256226, 0.03326416, 0.03253174, 0.03314209]
"""The first tiles of the gene, as the first version read them."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old store, for tests that change nothing in it."""
    return old.unpack_store(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def run_dir(store: Path) -> Path:
    return store / "runs" / old.RUN


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[Server]:
    with serve(store, models=store / "shipped") as running:
        yield running


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """The old catalog, brought to the present tables, in a store of its own."""
    store = old.unpack_store(tmp_path)
    catalog = Catalog(f"sqlite:///{store / 'catalog.db'}")
    catalog.migrate()
    yield catalog
    catalog.close()


def test_the_python_api_reads_an_old_run(run_dir: Path) -> None:
    assert "schema_version" not in json.loads((run_dir / "run.json").read_text())
    run = hs.read_run(run_dir)
    assert (run.n_tiles, len(run.genes), run.mpp) == (89, 40, 0.69)
    np.testing.assert_allclose(run.gene("ERBB2")[:4], ERBB2, rtol=1e-6)
    record = run.record
    assert (record.schema_version, record.slide.width, record.tiles.total) == (2, 1600, 89)
    assert record.settings.kernel_note == ""
    assert record.timings.seconds == 1.91
    assert record.domain.warning.startswith("100% of the tiles look unlike")
    table = hs.to_anndata(run)
    assert table.shape == (89, 40)
    assert table.uns["histospace"]["tiles"]["by_reason"] == {"ok": 89}
    assert table.uns["histospace"]["schema_version"] == 2


def command(*arguments: object) -> str:
    done = CliRunner().invoke(commands, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("kind", FORMS)
def test_an_old_run_is_exported_in_every_form(run_dir: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out{FORMS[kind].suffixes[-1]}"
    command("export", run_dir, "--to", kind, "--out", out)
    if kind == "csv":
        np.testing.assert_allclose(pd.read_csv(out)["ERBB2"][:4], ERBB2, rtol=1e-6)
    elif kind == "h5ad":
        np.testing.assert_allclose(anndata.read_h5ad(out)[:4, "ERBB2"].X[:, 0], ERBB2, rtol=1e-6)
    elif kind == "geojson":
        assert len(json.loads(out.read_text())["features"]) == 89
    elif kind == "report":
        assert "89, 88 µm wide, every 88 µm" in out.read_text()
    else:
        assert out.exists()


def test_an_old_run_is_compared_again_with_the_same_scores(
    store: Path, run_dir: Path, tmp_path: Path
) -> None:
    slide = store / "slides" / old.SECTION
    files = ["--measured", slide / "phantom_counts.tsv.gz", "--spots", slide / "phantom_spots.tsv"]
    command("compare", run_dir, *files, "--out", tmp_path / "again")
    (before,) = run_dir.glob("comparisons/*/summary.json")
    now, then = (json.loads(file.read_text()) for file in (tmp_path / "again/summary.json", before))
    assert (now["n_spots"], now["per_gene_pearson"]) == (64, pytest.approx(0.0663060, abs=1e-6))
    assert {key: now[key] for key in ("slide", "model", "domain_warning", "trained_on")} == {
        key: then[key] for key in ("slide", "model", "domain_warning", "trained_on")
    }


def test_an_old_run_is_characterised_again(run_dir: Path, tmp_path: Path) -> None:
    (comparison,) = (run_dir / "comparisons").iterdir()
    command("characterise", run_dir, "--comparison", comparison, "--out", tmp_path / "found")
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert (summary["n_tiles"], summary["n_genes_used"]) == (89, 30)
    assert summary["compared_with"] == comparison.name


def test_the_catalog_of_the_first_version_is_upgraded(catalog: Catalog) -> None:
    for child in (old.CHARACTERISATION, old.EXPORT, old.FAILED_EXPORT):
        row = catalog.run(child)
        assert row.parent_id == old.RUN
        assert "run" not in row.settings
    assert [row.id for row in catalog.runs(kinds=[Kind.CHARACTERISE], parent_id=old.RUN)] == [
        old.CHARACTERISATION
    ]
    run = catalog.run(old.RUN)
    assert run.prediction_record == hs.read_run(run.directory).record
    assert run.tags == ("kept", "first")
    assert catalog.run(old.CHARACTERISATION).seconds == pytest.approx(6.0591, abs=1e-3)
    exported = catalog.run(old.EXPORT).record
    assert isinstance(exported, ExportRecord)
    assert (exported.file, exported.bytes) == ("old_section-csv.csv", 17141)
    assert catalog.run(old.FAILED_EXPORT).record is None
    trained = catalog.run(old.TRAINING).record
    assert isinstance(trained, TrainRecord)
    assert (trained.model, trained.cohort) == ("mine", "cohort.csv")
    evaluated = catalog.run(old.EVALUATION).record
    assert isinstance(evaluated, EvaluateRecord)
    assert [fold.test for fold in evaluated.folds] == ["Q1"]
    (_, imported) = sorted(catalog.runs(kinds=[Kind.IMPORT]), key=lambda row: row.state != "failed")
    assert isinstance(imported.record, ImportRecord)
    assert imported.record.name == "tissue.jpg"
    assert [region.name for region in catalog.regions(old.RUN)] == ["tumour bed"]


def test_a_run_takes_what_was_made_of_it_along_wherever_that_lies(
    catalog: Catalog, tmp_path: Path
) -> None:
    """The first version looked for it by a prefix of its folder."""
    elsewhere = tmp_path / "another disk" / old.EXPORT
    shutil.copytree(catalog.run(old.EXPORT).directory, elsewhere)
    database = sqlite3.connect(tmp_path / "store" / "catalog.db")
    database.execute("UPDATE runs SET folder = ? WHERE id = ?", (str(elsewhere), old.EXPORT))
    database.commit()
    database.close()
    catalog.delete_run(old.RUN)
    assert {row.id for row in catalog.runs()}.isdisjoint(
        {old.RUN, old.CHARACTERISATION, old.EXPORT, old.FAILED_EXPORT}
    )
    assert not elsewhere.exists()
    assert catalog.comparisons() == []


def test_the_command_line_lists_the_runs_and_names_a_damaged_one(tmp_path: Path) -> None:
    store = old.unpack_store(tmp_path)

    def histospace(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "histospace_core", *map(str, arguments)],
            env={**os.environ, "HISTOSPACE_STORE": str(store), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    listed = histospace("runs")
    assert listed.returncode == 0, listed.stderr
    for run_id in (old.RUN, old.REINHARD, old.CHARACTERISATION, old.EXPORT, old.TRAINING):
        assert run_id in listed.stdout
    run = store / "runs" / old.RUN
    (run / "run.json").write_text("{")
    refused = histospace("export", run, "--to", "csv", "--out", tmp_path / "a.csv")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "run.json' cannot be read" in refused.stderr


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"tiles": {"total": 89}}, r"run.json' is damaged: 'tiles.side_level0_px' is missing"),
        ({"domain": None}, r"run.json' is damaged: 'domain' has a wrong value"),
        ({"schema_version": 3}, r"newer version of HistoSPACE .*: update the program"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(
    run_dir: Path, tmp_path: Path, damage: dict[str, object], sentence: str
) -> None:
    shutil.copytree(run_dir, tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **damage}))
    with pytest.raises(StoreError, match=sentence):
        hs.read_run(tmp_path / "run")
    done = CliRunner().invoke(
        commands, ["export", str(tmp_path / "run"), "--to", "csv", "--out", str(tmp_path / "a.csv")]
    )
    assert done.exit_code != 0
    assert not (tmp_path / "a.csv").exists()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages beside one another, to begin with any of them."""
    folder = tmp_path_factory.mktemp("app") / "pages"
    shutil.copytree(SHIPPED / "pages", folder)
    return folder


def read_page(pages: Path, name: str, query: dict[str, str]) -> tuple[str, list[str]]:
    """Open a page by its link; return all that it says, and its errors."""
    home = (pages / "home.py").read_text().replace(", default=True", "")
    entry = pages / f"home_{name}.py"
    entry.write_text(home.replace(f'st.Page("{name}.py",', f'st.Page("{name}.py", default=True,'))
    page = AppTest.from_file(entry, default_timeout=60)
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception, page.exception
    kinds = ("title", "subheader", "markdown", "caption", "success", "warning", "info", "metric")
    said = "\n".join(
        f"{getattr(element, 'label', '')} {element.value}".replace("\\", "")
        for kind in kinds
        for element in page.get(kind)
    )
    return said, [error.value.replace("\\", "") for error in page.error]


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("slides", {}, "A drawn section."),
        ("predict", {"run": old.RUN}, "89 tiles predicted in 2 s"),
        ("gene_map", {"run": old.RUN, "gene": "ERBB2"}, "100% of the tiles look unlike"),
        ("compare", {"run": old.RUN}, "0.066"),
        ("characterise", {"run": old.RUN}, "8 domains"),
        ("two_runs", {"run": old.RUN, "with": old.REINHARD}, "Tiles in both 89"),
        ("train", {"run": old.TRAINING}, "Training of mine"),
        ("scores", {"evaluation": old.EVALUATION}, "0.215"),
        ("models", {}, "mine"),
    ],
)
def test_a_page_shows_what_the_first_version_made(
    server: Server, pages: Path, name: str, query: dict[str, str], expected: str
) -> None:
    said, errors = read_page(pages, name, query)
    assert expected in said
    assert errors == []


def test_pages_show_old_runs_that_failed(server: Server, pages: Path) -> None:
    said, errors = read_page(pages, "export", {"run": old.RUN})
    assert "17 kB" in said
    assert len(errors) == 1
    assert "no gene NOPE" in errors[0]
    said, errors = read_page(pages, "runs", {})
    assert "9 runs" in said
    assert "89 of 89 done · took 2 s" in said
    assert "stain reinhard" in said
    assert "The first run." in said
    assert [error.split(":")[0] for error in errors[:1]] == ["glass.png"]
