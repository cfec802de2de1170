"""The leaderboard of two tiny networks on three small sections."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.cohorts import make_section
from PIL import Image

from histospace_core.errors import CohortError, ModelError
from histospace_core.training.leaderboard import SCORES_GIVEN_DEPTH, make_leaderboard
from histospace_core.training.leaderboard_entry import Entry

pytestmark = pytest.mark.slow  # measures each network in a process of its own
SPLIT = {"train": ["A1", "A2"], "test": ["B1"]}
STAIN = np.array([1, 0.6, 0.85])  # grey tiles are no tissue


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, three sections of 16 spots on a square lattice."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = ["section,patient,image,counts,spots,mpp"]
    x, y = (300 + 200 * i.ravel() for i in np.meshgrid(np.arange(4), np.arange(4)))
    for name in ("A1", "A2", "B1"):
        section = make_section(name, name[0], n=16)
        image = np.full((1200, 1200, 3), 240, np.uint8)
        for tile, cx, cy in zip(section.tiles, x, y, strict=True):
            image[cy - 64 : cy + 64, cx - 64 : cx + 64] = tile * STAIN
        Image.fromarray(image).save(folder / f"{name}.png")
        names = [f"{i}x1" for i in range(16)]
        counts = section.measured.X.toarray().astype(int)
        pd.DataFrame(counts, names, section.measured.var_names).to_csv(
            folder / f"{name}.tsv", sep="\t"
        )
        spots = pd.DataFrame({"x": range(16), "y": 1, "new_x": range(16), "new_y": 1})
        spots.assign(pixel_x=x, pixel_y=y, selected=1).to_csv(
            folder / f"{name}_spots.tsv", sep="\t", index=False
        )
        rows.append(f"{name},{name[0]},{name}.png,{name}.tsv,{name}_spots.tsv,0.69")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def board(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("board")
    seen: list[int] = []
    make_leaderboard(
        cohort,
        out,
        networks=["mean-profile", "colour"],
        **SPLIT,
        seeds=2,
        device="cpu",
        on_progress=lambda event: seen.append(1000 * event.done // event.total),
    )
    assert seen == sorted(seen)
    assert seen[-1] <= 1000
    return out


def test_a_row_has_accuracy_size_and_speed(board: Path) -> None:
    rows = pd.read_csv(board / "leaderboard.csv").set_index("network")
    assert list(rows.index) == ["colour", "mean-profile"]  # the best first
    colour, flat = rows.loc["colour"], rows.loc["mean-profile"]
    assert colour["per_gene_pearson"] > 0.5
    assert flat["per_gene_pearson"] == 0
    assert flat["mse_ratio_to_mean"] == pytest.approx(1)
    assert flat["per_spot_pearson"] == pytest.approx(flat["mean_profile_per_spot_pearson"])
    assert (colour["n_parameters"], flat["n_parameters"]) == (72 * 12 + 12 + 2 * 72, 0)
    assert (rows["split"] == "A1 A2 -> B1").all()
    assert (rows["seeds"] == 2).all()
    assert flat["tiles_per_second_cpu"] > colour["tiles_per_second_cpu"] > 0
    assert rows["peak_memory_mb"].between(50, 5000).all()
    assert colour["script"] == (
        "histospace leaderboard cohort.csv --networks colour@default --train A1,A2 --test B1 "
        "--seeds 2 --append --out DIR"
    )


def test_the_difference_is_tested(board: Path) -> None:
    (pair,) = pd.read_csv(board / "against.csv").to_dict("records")
    assert (pair["a"], pair["b"]) == ("colour", "mean-profile")
    rows = pd.read_csv(board / "leaderboard.csv").set_index("network")
    assert pair["mean_a"] == pytest.approx(rows.loc["colour", "per_gene_pearson"], abs=2e-3)
    assert 0 < pair["permutation_p"] <= 1
    assert pair["wilcoxon_p"] < 0.01


def test_the_table_can_be_read(board: Path, cohort: Path) -> None:
    text = (board / "leaderboard.md").read_text()
    assert "## cohort.csv, A1 A2 -> B1" in text
    assert "| colour | default | 0." in text
    assert "| colour | mean-profile |" in text.replace("A1 A2 -> B1 | ", "")
    assert str(cohort.parent) not in text
    assert "nan" not in text


def test_append_keeps_other_rows_and_finished_folds(board: Path, cohort: Path) -> None:
    before = pd.read_csv(board / "leaderboard.csv")
    files = {f: f.stat().st_mtime_ns for f in board.glob("*/*/folds/*.json")}
    assert len(files) == 4
    make_leaderboard(cohort, board, networks=["colour"], **SPLIT, seeds=2, append=True)
    assert {f: f.stat().st_mtime_ns for f in files} == files
    make_leaderboard(cohort, board, networks=["mean-profile"], append=True)
    after = pd.read_csv(board / "leaderboard.csv")
    assert list(after["split"]) == ["A1 A2 -> B1", "A1 A2 -> B1", "leave one patient out"]
    scores = ["network", "per_gene_pearson", "mse_ratio_to_mean"]
    pd.testing.assert_frame_equal(after[scores][:2], before[scores])
    assert len(pd.read_csv(board / "against.csv")) == 1


def test_a_leaderboard_of_an_older_version_is_continued(
    board: Path, cohort: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(board, tmp_path / "board")
    rows = pd.read_csv(old / "leaderboard.csv").drop(columns=list(SCORES_GIVEN_DEPTH))
    rows.to_csv(old / "leaderboard.csv", index=False)
    after = make_leaderboard(
        cohort, old, networks=["mean-profile"], folds="section", seeds=1, append=True
    )
    new = after["split"] == "leave one section out"
    assert new.sum() == 1
    assert (after["per_gene_pearson_given_depth"].notna() == new).all()
    assert "nan" not in (old / "leaderboard.md").read_text()


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        ("nothing", CohortError, "Unknown network 'nothing'"),
        ("colour@published", CohortError, "has no recipe 'published'; choose default"),
        ("encoder:hf-hub:nobody/none", ModelError, "not on this machine"),
    ],
)
def test_what_cannot_run_is_said_before_anything_is_trained(
    cohort: Path, tmp_path: Path, network: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_leaderboard(cohort, tmp_path / "out", networks=["mean-profile", network], **SPLIT)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_refused(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "leaderboard.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CohortError, match="is no leaderboard"):
        make_leaderboard(cohort, tmp_path, networks=["mean-profile"], **SPLIT, append=True)


def test_names_of_folders() -> None:
    assert Entry.of("colour@default").folder == "colour"
    entry = Entry.of("encoder:hf-hub:MahmoodLab/UNI2-h@hest")
    assert entry.folder == "encoder-hf-hub-MahmoodLab-UNI2-h@hest"
