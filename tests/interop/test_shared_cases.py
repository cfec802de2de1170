"""The cases beside the checkout: each script builds a file after a public report, and judges us.

`make cases` runs them; `make test` has tests of its own for every kind. One script interrupts a
prediction four seconds in, and fails where it is finished by then.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.checkout import PROJECT
from builders.children import heed_interrupt

FOLDER = Path(os.environ.get("HISTOSPACE_SHARED", PROJECT.parent / "shared")) / "cases"
CASES = sorted(path.name for path in FOLDER.glob("[0-9]*.py"))
pytestmark = [pytest.mark.shared, pytest.mark.cases]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with this environment as its `.venv`, which the scripts ask for."""
    folder = tmp_path_factory.mktemp("checkout")
    for entry in PROJECT.iterdir():
        if entry.name != ".venv":
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all cases, because several use the same prediction."""
    return tmp_path_factory.mktemp("cases")


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("case", CASES or ["no cases"])
def test_case(case: str, shared: Path, checkout: Path, work: Path) -> None:
    if not CASES:
        pytest.skip(f"no folder of cases in {shared.name}/ beside the checkout")
    done = subprocess.run(
        [sys.executable, FOLDER / case],
        env={
            **os.environ,
            "HISTOSPACE": str(checkout),
            "SHARED": str(shared),
            "WRITER": sys.executable,
            "TMPDIR": str(work),
            "PYTHONPATH": str(PROJECT),
        },
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=heed_interrupt,
    )
    said = done.stdout.strip().splitlines() or [""]
    assert said[-1].startswith("PASS"), done.stdout[-3000:] + done.stderr[-2000:]
