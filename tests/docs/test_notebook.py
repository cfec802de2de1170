"""The notebook of the documentation, run from top to bottom by a real kernel."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from builders.checkout import PROJECT

NOTEBOOK = PROJECT / "docs" / "notebook.ipynb"
# in a process of its own: a kernel's clients warn of their own future
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[2] + "/done.ipynb")
"""


def _text(cell: nbformat.NotebookNode) -> str:
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
        if output.get("name") != "stderr"
    )


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_its_text_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"run", "run.h5ad", "run.geojson", "report.html"} <= {p.name for p in tmp_path.iterdir()}
    made, kept = (nbformat.read(p, as_version=4) for p in (tmp_path / "done.ipynb", NOTEBOOK))
    (compared,) = [
        i for i, c in enumerate(made.cells) if c.cell_type == "code" and "hs.compare" in c.source
    ]
    scores = ast.literal_eval(_text(made.cells[compared]))
    shown = ast.literal_eval(_text(kept.cells[compared]))
    assert scores == pytest.approx(shown, abs=0.02), "what the page shows"
    assert scores["mse_ratio_to_mean"] > 1, "as the text after it says"
    assert "do not trust" in "".join(_text(c) for c in made.cells if c.cell_type == "code")


def test_what_is_kept_of_the_notebook_is_fit_to_be_shown() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    assert not any(o.output_type == "error" for cell in code for o in cell.outputs)
    assert "Research use only" in notebook.cells[0].source
    assert str(Path.home()) not in NOTEBOOK.read_text("utf-8")
