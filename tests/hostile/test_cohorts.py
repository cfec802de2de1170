"""Cohorts that must not be trained on, made of real sections: one sentence, nothing written."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pyvips
from PIL import Image

from histospace_core.cli import main

pytestmark = pytest.mark.shared
REDUCED = 4
FILES = {
    "B4": ("ST-imgs/B/B4/BT10737_D2_HE.jpg", "ST-cnts/B4.tsv.gz"),
    "C2": ("ST-imgs/C/C2/5714_HE_BT_C2.jpg", "ST-cnts/C2.tsv.gz"),
}
Table = pd.DataFrame


@pytest.fixture(scope="module")
def sections(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real sections of two patients at a quarter of their resolution, 2.76 um/px."""
    folder = tmp_path_factory.mktemp("sections")
    rows = []
    for name, (image, counts) in FILES.items():
        whole = pyvips.Image.new_from_file(str(shared / "her2st" / image))
        whole.shrink(REDUCED, REDUCED).pngsave(str(folder / f"{name}.png"), compression=1)
        table = pd.read_csv(shared / "her2st" / counts, sep="\t", index_col=0)
        table.iloc[:, :2000].to_csv(folder / f"{name}.tsv", sep="\t")
        spots = pd.read_csv(shared / f"her2st/ST-spotfiles/{name}_selection.tsv", sep="\t")
        spots[["pixel_x", "pixel_y"]] /= REDUCED
        spots.to_csv(folder / f"{name}-spots.tsv", sep="\t", index=False)
        rows.append((name, name[0], f"{name}.png", f"{name}.tsv", f"{name}-spots.tsv", 2.76))
    columns = ["section", "patient", "image", "counts", "spots", "mpp"]
    Table(rows, columns=columns).to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.fixture
def folder(sections: Path, tmp_path: Path) -> Path:
    """A copy of them to spoil."""
    return Path(shutil.copytree(sections, tmp_path / "cohort"))


def _spots(folder: Path) -> Table:
    return pd.read_csv(folder / "C2-spots.tsv", sep="\t")


def _counts(folder: Path) -> Table:
    return pd.read_csv(folder / "C2.tsv", sep="\t", index_col=0)


def _resize(folder: Path, factor: float) -> None:
    with Image.open(folder / "C2.png") as image:
        changed = image.resize((int(image.width * factor), int(image.height * factor)))
    changed.save(folder / "C2.png", compress_level=1)


def no_spots(folder: Path) -> None:
    _spots(folder).assign(selected=0).to_csv(folder / "C2-spots.tsv", sep="\t", index=False)


def swapped_axes(folder: Path) -> None:
    spots = _spots(folder).rename(columns={"pixel_x": "pixel_y", "pixel_y": "pixel_x"})
    spots.to_csv(folder / "C2-spots.tsv", sep="\t", index=False)


def other_genes(folder: Path) -> None:
    _counts(folder).add_prefix("other").to_csv(folder / "C2.tsv", sep="\t")


def nan_counts(folder: Path) -> None:
    counts = _counts(folder).astype(float)
    counts.iloc[3, 5] = np.nan
    counts.to_csv(folder / "C2.tsv", sep="\t")


def hires_for_full_resolution(folder: Path) -> None:
    _resize(folder, 0.25)


def larger_image(folder: Path) -> None:
    _resize(folder, 2.0)


def wrong_pixel_size(folder: Path) -> None:
    cohort = pd.read_csv(folder / "cohort.csv").assign(mpp=4.0)
    cohort.to_csv(folder / "cohort.csv", index=False)


def no_tissue(folder: Path) -> None:
    with Image.open(folder / "C2.png") as image:
        size = image.size
    Image.new("RGB", size, (240, 240, 240)).save(folder / "C2.png")


def same_section_twice(folder: Path) -> None:
    cohort = pd.read_csv(folder / "cohort.csv")
    files = ["image", "counts", "spots"]
    cohort.loc[1, files] = cohort.loc[0, files]
    cohort.to_csv(folder / "cohort.csv", index=False)


def one_patient(folder: Path) -> None:
    cohort = pd.read_csv(folder / "cohort.csv").assign(patient="B")
    cohort.to_csv(folder / "cohort.csv", index=False)


EVALUATE = ["evaluate", "--network", "colour"]
BOTH_SIDES = [*EVALUATE, "--train", "B4", "--test", "C2"]
TRAIN = ["train", "--epochs", "1", "--autoencoder-epochs", "1"]


REFUSED = [
    (no_spots, "are marked as not selected"),
    (swapped_axes, "x and y swapped, "),
    (other_genes, "counts none of the"),
    (nan_counts, "a cell that is not a number"),
    (hires_for_full_resolution, "outside its image"),
    (larger_image, "fill only the upper left part of the image"),
    (wrong_pixel_size, "um apart at 4 um/px"),
    (no_tissue, "no tissue found"),
    (same_section_twice, "same image"),
]


@pytest.mark.parametrize(
    ("command", "spoil", "message"),
    [
        *((command, *case) for command in (EVALUATE, TRAIN) for case in REFUSED),
        (EVALUATE, one_patient, "only one patient"),
        (BOTH_SIDES, one_patient, "patient B is on both sides"),
    ],
)
def test_it_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    """Exit 2, one line that says it, and nothing written."""
    spoil(folder)
    verb, *options = command
    before = sorted(folder.rglob("*"))
    arguments = [verb, str(folder / "cohort.csv"), "--out", str(folder / "out"), *options]
    monkeypatch.setattr(sys, "argv", ["histospace", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr().err.strip()
    assert caught.value.code == 2, said
    assert message in said
    assert len(said.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before
