"""Two processes over loopback train the network that one trains, and go on after a kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from safetensors.numpy import load_file

from histospace_core.networks import Predictor, load_package
from histospace_core.training import load_sections, read_cohort

ALONE = [sys.executable, "-m", "histospace_core"]
TWO = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
    "-m", "histospace_core",
]  # fmt: skip
SPOTS = slice(100, 145)  # a batch of 32 and one of 13
NEAR = 1e-4
pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.fixture(scope="module")
def cohort(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some spots of a real section."""
    folder = tmp_path_factory.mktemp("two")
    data = shared / "her2st"
    spots = pd.read_csv(data / "ST-spotfiles/B4_selection.tsv", sep="\t")
    spots[spots["selected"] == 1][SPOTS].to_csv(folder / "spots.tsv", sep="\t", index=False)
    image, counts = data / "ST-imgs/B/B4/BT10737_D2_HE.jpg", data / "ST-cnts/B4.tsv.gz"
    (folder / "cohort.csv").write_text(
        f"section,patient,image,counts,spots,mpp\nB4,B,{image},{counts},spots.tsv,0.69\n"
    )
    return folder / "cohort.csv"


def _train(launch: list[str], cohort: Path, network: str, out: Path) -> subprocess.Popen[str]:
    settings = ["--network", network, "--epochs", "3", "--autoencoder-epochs", "6"]
    return subprocess.Popen(
        [*launch, "train", str(cohort), "--out", str(out), "--device", "cpu", *settings],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",  # rounding depends on the number of threads
            "HISTOSPACE_STORE": str(cohort.parent / "store"),  # which remembers the arithmetic
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(training: subprocess.Popen[str]) -> str:
    said, complained = training.communicate(timeout=300)
    assert training.returncode == 0, complained
    return said


def _kill_after_an_epoch(training: subprocess.Popen[str], work: Path) -> None:
    while not list(work.glob("final/*.safetensors")):
        assert training.poll() is None, training.communicate()[1]
        time.sleep(0.01)
    launcher = psutil.Process(training.pid)
    for process in [launcher, *launcher.children(recursive=True)]:
        process.kill()
    training.communicate()


@pytest.mark.parametrize("network", ["histospace", "histospace-plus"])
def test_two_processes_killed_and_resumed_train_what_one_does(
    cohort: Path, tmp_path: Path, network: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    _finish(_train(ALONE, cohort, network, one))
    _kill_after_an_epoch(_train(TWO, cohort, network, two), tmp_path / "two.work")
    assert not two.exists()
    said = _finish(_train(TWO, cohort, network, two))
    assert said.count("genes") == 1, "only the first process speaks"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]

    weights = [load_file(package / "model.safetensors") for package in (one, two)]
    for name, value in weights[0].items():
        assert np.abs(value - weights[1][name]).max() <= NEAR, name
    package = load_package(one)
    (section,) = load_sections(read_cohort(cohort), package.views).values()
    predicted = [Predictor(load_package(p), "cpu")(*section.views)[0] for p in (one, two)]
    assert np.abs(predicted[0] - predicted[1]).max() <= NEAR
    assert predicted[0].std(0).max() > 10 * NEAR, "else they agree on nothing"
