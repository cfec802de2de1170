"""`histospace adapt` as a shell sees it."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders.adaptable import make_model_for, make_visible_section
from builders.slide_files import MPP

from histospace_core.networks import load_package


@pytest.mark.slow
def test_scores_are_printed_beside_the_unadapted_model_and_the_mean_profile(
    tmp_path: Path,
) -> None:
    files = make_visible_section(tmp_path, "P1")
    model = make_model_for(tmp_path, files).directory
    given = ("--slide", files.image, "--measured", files.counts, "--spots", files.spots)
    command = [sys.executable, "-m", "histospace_core", "adapt", model, *given]
    options = ("--mpp", MPP, "--patient", "P", "--epochs", 20, "--out", tmp_path / "after")
    done = subprocess.run(
        list(map(str, [*command, *options])), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = load_package(tmp_path / "after").config["adapted"]
    row = next(line for line in done.stdout.splitlines() if "per-gene r" in line)
    both = [f"{facts[k]['per_gene_pearson']:.3f}" for k in ("on_genes_of_model", "unadapted")]
    assert [cell.strip() for cell in row.strip("│┃|").split("│")] == ["per-gene r", *both, "0"]
    assert "for slides of patient P only" in done.stdout.replace("\n", " ")
