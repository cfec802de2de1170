"""The examples for workflow managers: the commands of their page, run on small slides."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders.checkout import PROJECT
from builders.packages import make_package
from builders.slide_files import make_slide

from histospace_core.inference import open_prediction, predict_shard
from histospace_core.networks import load_package
from histospace_core.slides.open import open_slide

WORKFLOWS = PROJECT / "docs" / "workflows"
MANAGERS = [
    "snakemake",
    pytest.param(
        "nextflow",
        marks=pytest.mark.skipif(not shutil.which("nextflow"), reason="nextflow is not installed"),
    ),
]


@pytest.fixture
def folder(tmp_path: Path, own_store: Path) -> Path:
    """A working folder as the page describes it, with a slide that is broken."""
    make_slide(tmp_path / "a 1.png", 700, seed=0)
    make_slide(tmp_path / "b.png", 700, seed=1)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    rows = ["section,image,mpp", ",a 1.png,0.69", "001,b.png,0.69", "c,broken.png,0.69"]
    (tmp_path / "COHORT.csv").write_text("\n".join(rows) + "\n")
    make_package(tmp_path, "model")
    shutil.copytree(WORKFLOWS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(folder: Path, manager: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command that the page gives, with the small model."""
    page = (PROJECT / "docs" / "workflows.md").read_text("utf-8")
    (line,) = re.findall(rf"^{manager} .*$", page, re.MULTILINE)
    words = shlex.split(line.replace("histospace-plus-her2st", "model"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [shutil.which(words[0], path=path) or words[0], *words[1:], *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def summary(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "MAPS" / "summary.csv").open(newline="") as stream:
        return {row["section"]: row for row in csv.DictReader(stream)}


@pytest.mark.slow
@pytest.mark.parametrize("manager", MANAGERS)
def test_a_slide_that_fails_leaves_the_rest_alone_and_is_all_that_runs_again(
    folder: Path, manager: str
) -> None:
    package = load_package(folder / "model")
    with open_slide(folder / "b.png", 0.69) as slide:  # what an interrupted run leaves
        predict_shard(slide, package, folder / "MAPS" / "001", 0, 1)
    first = run(folder, manager)
    assert first.returncode == 1, first.stdout + first.stderr
    rows = summary(folder)
    assert {name: row["state"] for name, row in rows.items()} == {
        "a 1": "done",
        "001": "done",
        "c": "failed",
    }
    assert rows["c"]["image"] == "broken.png"
    assert rows["c"]["reason"].startswith("broken.png: ")
    log = (folder / "MAPS" / "c.log").read_text()
    assert rows["c"]["reason"] in log
    assert "Traceback" not in log
    resumed = open_prediction(folder / "MAPS" / "001")
    assert resumed.record.timings.tiles_from_earlier_attempt == resumed.record.tiles.total

    shutil.copy(folder / "a 1.png", folder / "broken.png")
    logs = [folder / "MAPS" / f"{name}.log" for name in rows]
    before = {log: log.stat().st_mtime_ns for log in logs}
    second = run(folder, manager)
    assert second.returncode == 0, second.stdout + second.stderr
    assert [log.stem for log in logs if log.stat().st_mtime_ns > before[log]] == ["c"]
    assert {row["state"] for row in summary(folder).values()} == {"done"}


@pytest.mark.slow
@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("section,image\nx,a.png\nx,b.png\n", "a name of its own without a slash"),
        ("section,image\nx/y,a.png\n", "a name of its own without a slash"),
        ("section,picture\nx,a.png\n", "needs an image"),
    ],
    ids=["two of one name", "a slash", "no image"],
)
def test_a_table_without_names_or_images_is_refused_before_anything_runs(
    folder: Path, manager: str, table: str, sentence: str
) -> None:
    (folder / "COHORT.csv").write_text(table)
    done = run(folder, manager)
    assert done.returncode == 1
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(folder.glob("MAPS/*"))
