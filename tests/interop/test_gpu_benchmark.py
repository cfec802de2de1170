"""The benchmark of a GPU on a machine that has little more than torch, and no GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.checkout import PROJECT

ABSENT = (
    "anndata",
    "imagecodecs",
    "openslide",
    "openvino",
    "platformdirs",
    "pydantic",
    "pydantic_settings",
    "pyvips",
    "streamlit",
    "zarr",
)
RUN = (
    "import runpy, sys\n"
    f"sys.modules.update(dict.fromkeys({ABSENT}))\n"
    "runpy.run_module('benchmarks.gpu', run_name='__main__')\n"
)


def benchmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_it_measures_both_networks_in_every_form(tmp_path: Path) -> None:
    done = benchmark("--device", "cpu", "--minutes", "8", "--out", tmp_path / "gpu.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert found["card"][0]["name"].startswith("none")
    assert found["limits"][0]["bf16_tflops"] > 0
    pairs = {
        (f"histospace{kind}-her2st", form)
        for kind in ("", "-plus")
        for form in ("fp32", "bf16", "compiled")
    }
    for part in ("forward", "pixels in memory, end to end"):
        assert {(row["network"], row["form"]) for row in found[part]} == pairs
        assert all(row["tiles_per_s"] > 0 for row in found[part])
    agreement = {(row["network"], row["form"]): row["mean_r"] for row in found["agreement"]}
    assert pairs < set(agreement)
    assert min(agreement.values()) > 0.999
    assert "only pixels in memory pass through the pipeline" in found["skipped"][0]["why"]
    assert "slide, end to end" not in found


def test_without_a_card_it_says_so() -> None:
    done = benchmark()
    assert done.returncode == 2
    assert done.stderr.startswith("PyTorch finds no CUDA GPU on this machine")
    assert done.stderr.count("\n") == 1


def test_it_ends_when_the_time_is_up() -> None:
    done = benchmark("--device", "cpu", "--minutes", "0")
    assert done.returncode == 0
    assert "The time is up" in done.stdout
