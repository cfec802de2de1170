"""`histospace trunk` and `--trunk` as a shell sees them."""

import os
import subprocess
import sys
from pathlib import Path

from builders.sections import make_section_files
from builders.slide_files import MPP
from builders.trunks import make_trunk


def histospace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with a store of its own."""
    return subprocess.run(
        [sys.executable, "-m", "histospace_core", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HISTOSPACE_STORE": str(folder / "store"), "COLUMNS": "300"},
    )


def test_a_trunk_is_installed_and_named(tmp_path: Path) -> None:
    done = histospace(tmp_path, "trunk", str(make_trunk(tmp_path / "vit")))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("vit: 32 features of a view at 32 px, from a folder, licence CC0")
    assert (tmp_path / "store" / "trunks" / "vit" / "model.safetensors").exists()


def test_a_trunk_without_a_licence_stops_a_training_in_one_sentence(tmp_path: Path) -> None:
    files = make_section_files(tmp_path, "A1", 0, 800)
    row = ",".join(["A1", "A", *(f.name for f in files), str(MPP)])
    (tmp_path / "cohort.csv").write_text(f"section,patient,image,counts,spots,mpp\n{row}\n")
    vit = str(make_trunk(tmp_path / "vit", licence=""))
    done = histospace(
        tmp_path,
        *("train", str(tmp_path / "cohort.csv"), "--out", str(tmp_path / "model")),
        *("--network", "histospace-plus", "--trunk", vit),
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "states no licence for its weights" in done.stderr
    assert not (tmp_path / "model").exists()
