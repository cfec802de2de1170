"""Loss curves on disk: what is noted, what a resumed run repeats, what a killed one leaves."""

import json

import pytest

from histospace_core.errors import Cancelled
from histospace_core.jobs.losses import COLUMNS, FILE, LossLog, parse_loss, read_losses


def told(done: int, total: int, stage: str = "") -> None:
    """Hear progress."""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("autoencoder, loss 0.0123", ("", "autoencoder", 0.0123, None)),
        (
            "fold 1 of 2, held out B4, C2: predictor, loss 1.5, held-out loss 2.25",
            ("fold 1 of 2, held out B4, C2", "predictor", 1.5, 2.25),
        ),
        ("B4: epoch 7, loss 0.25", ("B4", "network", 0.25, None)),
        ("B4: seed 1: network, loss 1e-05", ("B4: seed 1", "network", 1e-5, None)),
    ],
)
def test_a_message_is_read_as_training_writes_it(message, expected):
    assert tuple(parse_loss(message).values()) == expected


@pytest.mark.parametrize("message", ["", "all sections", "reading section C2", "x, loss high"])
def test_what_tells_no_loss_is_no_point(message):
    assert parse_loss(message) is None


def test_epochs_are_counted_within_part_and_stage(tmp_path):
    log = LossLog(tmp_path / "run", 1, told)
    for done, part in enumerate(("fold 1", "all sections")):
        for epoch in range(3):
            log(100 * done + epoch, 200, f"{part}: predictor, loss {1 / (epoch + 1):.4f}")
    points = read_losses(tmp_path / "run")
    assert tuple(points.columns) == COLUMNS
    assert list(points["epoch"]) == [1, 2, 3, 1, 2, 3]
    assert list(points["part"].unique()) == ["fold 1", "all sections"]
    assert points["loss"].tolist()[:3] == [1.0, 0.5, 0.3333]
    assert points["held_out_loss"].isna().all()


def test_epochs_that_a_resumed_run_repeats_count_once(tmp_path):
    for attempt, epochs in ((1, range(1, 6)), (2, range(4, 8))):
        log = LossLog(tmp_path, attempt, told)
        for epoch in epochs:
            log(10 * epoch, 100, f"predictor, loss {attempt}.{epoch}")
    points = read_losses(tmp_path)
    assert list(points["epoch"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(points["loss"]) == [1.1, 1.2, 1.3, 2.4, 2.5, 2.6, 2.7]


def test_many_epochs_in_one_step_of_the_bar_are_all_kept(tmp_path):
    log = LossLog(tmp_path, 1, told)
    for _ in range(5):
        log(1, 1000, "predictor, loss 0.5000")
    assert list(read_losses(tmp_path)["epoch"]) == [1, 2, 3, 4, 5]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    LossLog(tmp_path, 1, told)(1, 2, "predictor, loss 0.5")
    with (tmp_path / FILE).open("a") as file:
        file.write(json.dumps({"done": 2, "attempt": 1})[:-4])
    assert len(read_losses(tmp_path)) == 1


def test_no_training_no_points_and_cancel_passes_through(tmp_path):
    assert read_losses(tmp_path).empty

    def stop(done: int, total: int, stage: str = "") -> None:
        raise Cancelled("stop")

    log = LossLog(tmp_path, 1, stop)
    with pytest.raises(Cancelled):
        log(1, 2, "predictor, loss 0.5")
    assert len(read_losses(tmp_path)) == 1
