"""The command line as a shell sees it: exit codes, one line of error, files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders.packages import make_package
from builders.slide_files import make_slide
from PIL import Image

from histospace_core.out_lock import lock_file, locked

MEASURED = ("--slide", "{slide}", "--measured", "absent.tsv", "--out", "{out}")
SOUND = ("--mpp", "0.69", "--model", "{model}", "--out", "{out}")


def histospace(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "histospace_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_predict_then_export(tmp_path: Path) -> None:
    slide = make_slide(tmp_path / "slide.png")
    model = make_package(tmp_path).directory
    done = histospace("predict", slide, "--mpp", 0.69, "--model", model, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["tiles"]["total"] > 10
    done = histospace("export", tmp_path / "run", "--to", "csv", "--out", tmp_path / "map.csv")
    assert done.returncode == 0, done.stderr
    assert "ERBB2" in pd.read_csv(tmp_path / "map.csv").columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "{slide}", "--model", "{model}", "--out", "{out}"), "pixel size"),
        (("predict", "{slide}", "--mpp", "nan", "--model", "{model}", "--out", "{out}"), "um/px"),
        (("predict", "{text}", "--mpp", "1", "--model", "{model}", "--out", "{out}"), "notes.svs"),
        (("predict", "{slide}", "--mpp", "0.69", "--model", "none", "--out", "{out}"), "no model"),
        (("predict", "absent.svs", "--model", "{model}", "--out", "{out}"), "absent.svs"),
        (("compare", "{tmp}", "--measured", "absent.tsv", "--out", "{out}"), "absent.tsv"),
        (("evaluate", "absent.csv", "--out", "{out}"), "absent.csv"),
        (("train", "absent.csv", "--out", "{out}"), "absent.csv"),
        (("adapt", "none", *MEASURED), "no model"),
        (("adapt", "{model}", *MEASURED), "only a HistoSPACE+ model"),
        (("adapt", "{plus}", *MEASURED), "absent.tsv"),
        (("export", "{tmp}", "--to", "csv", "--out", "{out}"), "no finished prediction"),
        (("characterise", "{tmp}", "--out", "{out}"), "no finished prediction"),
        (("leaderboard", "absent.csv", "--out", "{out}"), "absent.csv"),
        (("predict", "{blank}", *SOUND), "looks blank"),
        pytest.param(
            ("predict", "{slide}", "--device", "cuda", *SOUND),
            "CUDA",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "notes.svs").write_text("not a slide")
    Image.new("RGB", (900, 900), "white").save(tmp_path / "blank.png")
    names = {
        "slide": make_slide(tmp_path / "slide.png"),
        "model": make_package(tmp_path).directory,
        "plus": make_package(tmp_path, "plus", plus=True).directory,
        "text": tmp_path / "notes.svs",
        "blank": tmp_path / "blank.png",
        "out": tmp_path / "new" / "out",
        "tmp": tmp_path,
    }
    done = histospace(*(a.format(**names) for a in arguments))
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "{slide}", *SOUND),
        ("train", "absent.csv", "--out", "{out}"),
        ("adapt", "{model}", *MEASURED),
        ("evaluate", "absent.csv", "--out", "{out}"),
        ("leaderboard", "absent.csv", "--out", "{out}"),
        ("export", "{tmp}", "--to", "csv", "--out", "{out}"),
        ("characterise", "{tmp}", "--out", "{out}"),
    ],
)
def test_a_result_that_another_process_writes_is_refused(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    names = {
        "slide": make_slide(tmp_path / "slide.png"),
        "model": make_package(tmp_path).directory,
        "out": tmp_path / "out",
        "tmp": tmp_path,
    }
    with locked(tmp_path / "out"):
        done = histospace(*(a.format(**names) for a in arguments))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"out: process {os.getpid()} on" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_killed_prediction_goes_on_with_the_same_command(tmp_path: Path) -> None:
    slide, out = make_slide(tmp_path / "slide.png"), tmp_path / "run"
    arguments = [str(slide), "--mpp", "0.69", "--model", str(make_package(tmp_path).directory)]
    command = [sys.executable, "-m", "histospace_core", "predict", *arguments, "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as killed:
        while not (out / "unfinished" / "plan.json").exists() and killed.poll() is None:
            time.sleep(0.01)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    assert lock_file(out).exists()
    done = histospace("predict", *arguments, "--out", out)
    assert done.returncode == 0, done.stderr
    assert not lock_file(out).exists()
    assert (out / "prediction.zarr").exists()


def test_usage_errors_are_exit_2_too() -> None:
    assert histospace("predict").returncode == 2
    assert histospace("predict", "x.svs", "--device", "abacus").returncode == 2


def test_version() -> None:
    assert histospace("--version").stdout.strip() == "0.1.0"
