"""`histospace compare` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from builders.packages import make_package
from builders.sections import SectionFiles, make_section_files
from builders.slide_files import MPP

import histospace_core as hs


def histospace(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "histospace_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def files(tmp_path: Path) -> SectionFiles:
    """A section whose prediction is in `run`, by a model in `small`."""
    files = make_section_files(tmp_path, "B4", seed=1)
    hs.predict(files.image, out=tmp_path / "run", model=make_package(tmp_path), mpp=MPP)
    return files


def test_both_predictions_are_printed_when_the_slide_is_given(
    files: SectionFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HISTOSPACE_MODELS", str(tmp_path))
    given = (tmp_path / "run", "--measured", files.counts, "--spots", files.spots)
    done = histospace("compare", *given, "--slide", files.image, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    line = next(line for line in done.stdout.splitlines() if "per-gene r" in line)
    both = [f"{s['per_gene_pearson']:.3f}" for s in (summary, summary["at_spots"])]
    assert [cell.strip() for cell in line.strip("│┃|").split("│")] == ["per-gene r", *both, "0"]
    assert "map: the average of the map's tiles around the spot" in done.stdout
    assert "at the spots: a tile centred on the spot" in done.stdout


def test_without_the_slide_there_is_one_prediction_and_genes_without_score_are_said(
    files: SectionFiles, tmp_path: Path
) -> None:
    counts = pd.read_csv(files.counts, sep="\t", index_col=0)
    counts[:] = 1
    counts.to_csv(files.counts, sep="\t")
    given = (tmp_path / "run", "--measured", files.counts, "--spots", files.spots)
    done = histospace("compare", *given, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "not evaluable" in done.stdout
    assert "at the spots" not in done.stdout


def test_another_slide_is_one_line_and_exit_2(files: SectionFiles, tmp_path: Path) -> None:
    other = make_section_files(tmp_path / "other", "C2", seed=2).image
    given = (tmp_path / "run", "--measured", files.counts, "--spots", files.spots)
    done = histospace("compare", *given, "--slide", other, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stdout
    assert "not the slide that the run predicted" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
