"""The commands of the pages that need one's own files: run as they stand, on small ones."""

import gzip
import shutil
from pathlib import Path

import pytest
from builders.sections import make_section_files
from docs.commands import PAGES, commands
from docs.test_commands import SHELL, alternatives
from typer.testing import CliRunner

from histospace_core.cli import app

ELSEWHERE = {
    "serve": "tests/browser, in which it never ends",
    "worker": "tests/jobs, beside a scheduler",
    "data fetch": "tests/public_cohorts, from a server of their own",
    "adapt MODEL": "tests/cli/test_adapt.py, on a section that shows its expression",
    "torchrun": "tests/training, in two processes",
    "trunk ": "tests/cli/test_trunk.py, with a trunk of random weights",
    "$slide": "a loop of the shell",
}
"""Commands that cannot run here, and where they do."""
FIRST_BLOCKS = "sample/", " run "
"""What tells the commands of shell.md that `test_commands` runs."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files under the names that the pages use."""
    made = [make_section_files(tmp_path / "made", name, i, 800) for i, name in enumerate("ab")]
    rows = [f"{'ab'[i]},patient{i},{f.image},{f.counts},{f.spots},0.69" for i, f in enumerate(made)]
    for table in (tmp_path / "COHORT.csv", tmp_path / "COHORT" / "cohort.csv"):
        table.parent.mkdir(exist_ok=True)
        table.write_text("\n".join(["section,patient,image,counts,spots,mpp", *rows]) + "\n")
    large = make_section_files(tmp_path / "made", "large", 2)
    (tmp_path / "COUNTS.csv").write_text(f"section,patient,counts\nc,patient2,{large.counts}\n")
    for name in ("SLIDE", "SLIDE.png"):
        shutil.copy(large.image, tmp_path / name)
    shutil.copy(large.spots, tmp_path / "spots.tsv")
    with gzip.open(tmp_path / "counts.tsv.gz", "wb") as file:
        file.write(large.counts.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wanted() -> list[tuple[str, list[str]]]:
    """Commands of README, training.md and the rest of shell.md, each training once."""
    found: dict[str, tuple[str, list[str]]] = {}
    for page in PAGES:
        if page.name not in ("README.md", "training.md", SHELL.name):
            continue
        for line, arguments in commands(page):
            if page == SHELL and any(what in f"{line} " for what in FIRST_BLOCKS):
                continue
            for taken in alternatives(arguments):
                key = " ".join(taken).replace("COHORT/cohort.csv", "COHORT.csv")
                key = key.replace(" --network histospace-plus", "")  # which is the default
                text = key if "|" in line else line
                if not any(what in text for what in ELSEWHERE):
                    found.setdefault(key, (line, taken))
    return list(found.values())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_they_run_and_leave_what_they_say(folder: Path) -> None:
    ran = set()
    for line, arguments in wanted():
        if "--out" in arguments:
            out = folder / arguments[arguments.index("--out") + 1]
            if out.exists():  # of another page
                shutil.rmtree(out) if out.is_dir() else out.unlink()
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{line}: {done.output}\n{done.exception!r}"
        assert "--out" not in arguments or out.exists(), line
        ran.add(arguments[0])
    assert ran >= {"predict", "compare", "characterise", "export", "train", "evaluate"}
    assert ran >= {"leaderboard", "models", "runs", "doctor", "data"}
