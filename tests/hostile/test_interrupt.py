"""Ctrl-C at any moment of a prediction: no traceback, and the same command brings the result."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders.children import heed_interrupt
from builders.packages import make_package
from builders.slide_files import MPP, make_slide

from histospace_core import read_run
from histospace_core.inference import layout

Stopped = Callable[[Path], bool]
MOMENTS: dict[str, Stopped] = {
    "at the first tiles": lambda run: layout.journal_path(run).exists(),
    "while the result is written": lambda run: layout.partial_path(run).exists(),
    "when the result is whole": lambda run: layout.store_path(run).exists(),
}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("interrupt")
    slide = make_slide(folder / "slide.png", side=1600)
    make_package(folder, plus=True)
    options = ["--mpp", str(MPP), "--model", str(folder / "small"), "--no-compile"]
    return [sys.executable, "-m", "histospace_core", "predict", str(slide), *options, "--out"]


@pytest.fixture(scope="module")
def whole(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run([*command, run], check=True, capture_output=True)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_command_brings_the_result(
    command: list[str], whole: Path, moment: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [*command, run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupt,
    )
    while not MOMENTS[moment](run) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    if moment == "at the first tiles":
        assert process.returncode == 130
    again = subprocess.run([*command, run], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    np.testing.assert_array_equal(read_run(run).matrix(), read_run(whole).matrix())
    assert not layout.journal_path(run).exists()
