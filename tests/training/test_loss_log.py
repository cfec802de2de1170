"""Loss curves on disk: what is written, what a resumed run repeats, what a killed one leaves."""

import json
from pathlib import Path

import pytest
import torch
from builders.cohorts import make_section
from torch import Tensor
from torch.nn.functional import mse_loss

from histospace_core.errors import Cancelled
from histospace_core.progress import Progress, no_progress
from histospace_core.training import MENDED, TrainingSet, fit_histospace
from histospace_core.training.loss_log import COLUMNS, FILE, LossLog, read_losses
from histospace_core.training.method import FitContext


def _epoch(done: int, epoch: int, loss: float, part: str = "") -> Progress:
    return Progress(done, 1000, "predictor", part, epoch, loss)


def test_a_loss_is_written_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    log = LossLog(tmp_path / "run", 1, no_progress)
    log(Progress(0, 9, "reading section C2"))
    log(Progress(3, 9, "predictor", "fold 1, held out B4, C2", 2, 1.5, 2.25, "memory is short"))
    points = read_losses(tmp_path / "run")
    assert tuple(points.columns) == COLUMNS
    assert points.loc[0].to_list() == ["fold 1, held out B4, C2", "predictor", 2, 1.5, 2.25]
    assert len(points) == 1


def test_a_training_that_is_short_of_memory_keeps_its_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(predicted: Tensor, truth: Tensor) -> Tensor:
        """Ask for more memory than any machine can address, unless there are few rows."""
        return mse_loss(predicted, truth) + torch.empty(0 if len(truth) <= 4 else 2**60).sum()

    for stage in ("pretrain", "fit"):
        monkeypatch.setattr(f"histospace_core.training.{stage}.mse_loss", hungry)
    notes: list[str] = []
    recipe = MENDED.with_(autoencoder_epochs=2, epochs=3, batch=16)
    train = TrainingSet.of([make_section("A1", "A")], recipe)
    log = LossLog(tmp_path, 1, lambda event: notes.append(event.note))
    fit_histospace(train, recipe, FitContext(torch.device("cpu"), on_progress=log))
    assert all("memory is short" in note for note in notes)
    points = read_losses(tmp_path)
    assert list(points["stage"]) == ["autoencoder"] * 2 + ["predictor"] * 3
    assert list(points["epoch"]) == [1, 2, 1, 2, 3]


def test_epochs_belong_to_their_part_and_stage(tmp_path: Path) -> None:
    log = LossLog(tmp_path / "run", 1, no_progress)
    for done, part in enumerate(("fold 1", "all sections")):
        for epoch in (1, 2, 3):
            log(_epoch(100 * done + epoch, epoch, 1 / epoch, part))
    points = read_losses(tmp_path / "run")
    assert tuple(points.columns) == COLUMNS
    assert list(points["epoch"]) == [1, 2, 3, 1, 2, 3]
    assert list(points["part"].unique()) == ["fold 1", "all sections"]
    assert points["loss"].tolist()[:3] == [1.0, 0.5, 1 / 3]
    assert points["held_out_loss"].isna().all()


def test_epochs_that_a_resumed_run_repeats_count_once(tmp_path: Path) -> None:
    for attempt, epochs in ((1, range(1, 6)), (2, range(4, 8))):
        log = LossLog(tmp_path, attempt, no_progress)
        for epoch in epochs:
            log(_epoch(10 * epoch, epoch, attempt + epoch / 10))
    points = read_losses(tmp_path)
    assert list(points["epoch"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(points["loss"]) == [1.1, 1.2, 1.3, 2.4, 2.5, 2.6, 2.7]


def test_many_epochs_in_one_step_of_the_bar_are_all_kept(tmp_path: Path) -> None:
    for attempt, epochs in ((1, range(1, 6)), (2, range(5, 7))):
        log = LossLog(tmp_path, attempt, no_progress)
        for epoch in epochs:
            log(_epoch(1, epoch, 0.5))
    assert list(read_losses(tmp_path)["epoch"]) == [1, 2, 3, 4, 5, 6]


def test_the_file_of_an_older_run_is_read(tmp_path: Path) -> None:
    """Older files do not state the epoch; this one goes on in today's form."""
    old = [(1, epoch, f"1.{epoch}") for epoch in range(1, 6)]
    old += [(2, epoch, f"2.{epoch}") for epoch in range(4, 8)]
    lines = [
        f'{{"done": {10 * epoch}, "attempt": {attempt}, "part": "", "stage": "predictor", '
        f'"loss": {loss}, "held_out_loss": null}}\n'
        for attempt, epoch, loss in old
    ]
    (tmp_path / FILE).write_text("".join(lines))
    points = read_losses(tmp_path)
    assert list(points["epoch"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(points["loss"]) == [1.1, 1.2, 1.3, 2.4, 2.5, 2.6, 2.7]
    log = LossLog(tmp_path, 3, no_progress)
    for epoch in (7, 8):
        log(_epoch(10 * epoch, epoch, 3 + epoch / 10))
    points = read_losses(tmp_path)
    assert list(points["epoch"]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert list(points["loss"])[-3:] == [2.6, 3.7, 3.8]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    LossLog(tmp_path, 1, no_progress)(_epoch(1, 1, 0.5))
    with (tmp_path / FILE).open("a") as file:
        file.write(json.dumps({"done": 2, "attempt": 1})[:-4])
    assert len(read_losses(tmp_path)) == 1


def test_no_training_no_points_and_cancel_passes_through(tmp_path: Path) -> None:
    assert read_losses(tmp_path).empty

    def stop(event: Progress) -> None:
        raise Cancelled("stop")

    log = LossLog(tmp_path, 1, stop)
    with pytest.raises(Cancelled):
        log(_epoch(1, 1, 0.5))
    assert len(read_losses(tmp_path)) == 1
