"""Progress: the sentence a person reads, and parts of a longer piece of work."""

import pytest

from histospace_core.errors import Cancelled
from histospace_core.progress import Progress, part_progress, stage_progress, time_left


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (Progress(1, 2), ""),
        (Progress(1, 2, "scoring signatures"), "scoring signatures"),
        (Progress(1, 2, part="all sections"), "all sections"),
        (
            Progress(3, 20, "autoencoder", "fold 1 of 2, held out B4", 3, 0.0123),
            "fold 1 of 2, held out B4: autoencoder, epoch 3, loss 0.0123",
        ),
        (
            Progress(1, 2, "predictor", epoch=1, loss=0.5, held_out_loss=0.25, note="low memory"),
            "predictor, epoch 1, loss 0.5000, held-out loss 0.2500 (low memory)",
        ),
        (
            Progress(1, 2, "predicting", note="low memory", seconds_left=130.0),
            "predicting (low memory) · about 2 minutes left",
        ),
    ],
)
def test_an_event_reads_as_a_sentence(event: Progress, sentence: str) -> None:
    assert event.sentence() == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 second"),
        (1.4, "1 second"),
        (7.6, "8 seconds"),
        (38.0, "40 seconds"),
        (99.0, "100 seconds"),
        (100.0, "2 minutes"),
        (3600.0, "60 minutes"),
        (6000.0, "1.7 hours"),
        (7201.0, "2 hours"),
    ],
)
def test_a_remaining_time_is_plain_english(seconds: float, text: str) -> None:
    assert time_left(seconds) == f"about {text} left"


def test_a_stage_counts_among_all_units() -> None:
    """What is left of a stage is not what is left of the whole."""
    events: list[Progress] = []
    stage_progress(events.append, 5, 20)(Progress(3, 10, "predictor", epoch=3, seconds_left=9.0))
    assert events == [Progress(8, 20, "predictor", epoch=3)]


def test_parts_fill_the_whole_bar_and_keep_what_the_event_says() -> None:
    events: list[Progress] = []
    for i, part in enumerate(("B4", "C2")):
        report = part_progress(events.append, part, i / 2, (i + 1) / 2)
        report(Progress(1, 2, "predictor", epoch=1, loss=0.5, note="low memory", seconds_left=9.0))
        part_progress(report, "seed 1", 0.5, 1)(Progress(2, 2, "predictor"))
    assert [event.done for event in events] == [250, 500, 750, 1000]
    assert {event.total for event in events} == {1000}
    assert [event.part for event in events] == ["B4", "B4, seed 1", "C2", "C2, seed 1"]
    assert events[0] == Progress(250, 1000, "predictor", "B4", 1, 0.5, None, "low memory")


def test_cancelling_passes_through_a_part() -> None:
    def stop(event: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        part_progress(stop, "B4", 0, 1)(Progress(0, 0))
