"""What HistoSPACE writes is recognised again."""

from pathlib import Path

from builders.packages import make_package
from builders.slide_files import make_slide

import histospace_core as hs
from histospace_core.inspection.inspect import inspect_path


def test_a_run(tmp_path: Path) -> None:
    slide = make_slide(tmp_path / "slide.png")
    package = make_package(tmp_path)
    run = hs.predict(slide, out=tmp_path / "run", model=package, mpp=0.69)
    found = inspect_path(tmp_path / "run")
    facts = found.to_json()["facts"]
    assert (found.kind, found.problem) == ("run", "")
    assert (facts["slide"], facts["model"]) == ("slide.png", package.name)
    assert (facts["tiles"], facts["genes"]) == (run.n_tiles, len(run.genes))


def test_an_unfinished_run(tmp_path: Path) -> None:
    (tmp_path / "unfinished").touch()
    assert "no finished prediction" in inspect_path(tmp_path).problem


def test_a_model_package(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    found = inspect_path(package.directory)
    assert (found.kind, found.problem) == ("model package", "")
    assert found.to_json()["facts"]["genes"] == len(package.genes)
    (package.directory / "model.safetensors").write_bytes(b"x")
    assert "are not the ones it was packed with" in inspect_path(package.directory).problem


def test_other_results(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"network": "ridge", "folds": [{}, {}]}')
    found = inspect_path(tmp_path)
    assert (found.kind, found.to_json()["facts"]["folds"]) == ("evaluation", 2)
    (tmp_path / "summary.json").write_text("[")
    assert "summary.json cannot be read" in inspect_path(tmp_path).problem
