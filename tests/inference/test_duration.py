"""The time left of a prediction, as pure logic: on series of reports, without a clock."""

import json
from collections.abc import Sequence

import pytest

from histospace_core.inference.duration import (
    ASSUMED_STORING,
    ASSUMED_TABLES,
    Countdown,
    Finishing,
    keep_finishing,
    recall_finishing,
    seconds_left,
    storing_rate,
)
from histospace_core.settings import get_settings

SAMPLE = (
    (0.0, 1001), (1.0, 11335), (2.1, 21139), (3.2, 37341), (4.3, 48750), (5.6, 65134),
    (6.8, 75469), (8.1, 91853), (9.2, 104653), (10.2, 121037), (11.3, 136442), (12.5, 152605),
    (13.6, 168989), (14.9, 181873), (16.2, 198257), (17.1, 204615), (18.3, 216612),
)  # fmt: skip
"""Seconds and tiles of the sample at a stride of 5 um, recorded on two busy cores."""


def told(series: Sequence[tuple[float, int]], total: int, after: float = 0.0) -> list[float | None]:
    """Return what a countdown tells at each report of a series."""
    times = iter(t for t, _ in series)
    countdown = Countdown(total, after, clock=lambda: next(times))
    return [countdown(done) for _, done in series]


def test_it_is_the_pace_so_far_and_what_follows() -> None:
    assert seconds_left(100, 300, 10.0) == 30.0
    assert seconds_left(100, 300, 10.0, after=7.0) == 37.0
    assert seconds_left(100, 0, 10.0, after=7.0) == 7.0


def test_too_early_it_tells_nothing() -> None:
    assert seconds_left(0, 300, 60.0) is None
    assert seconds_left(50, 300, 1.0) is None
    assert seconds_left(0, 0, 0.0, after=7.0) == 7.0, "all tiles were finished before"


def test_on_a_recorded_run_it_is_right_from_the_third_second() -> None:
    end, after = SAMPLE[-1][0], 30.0
    for (second, _), left in zip(SAMPLE, told(SAMPLE, 216_612, after), strict=True):
        truth = end - second + after
        if second < 2:
            assert left is None
        else:
            assert left == pytest.approx(truth, rel=0.2)


def test_tiles_of_an_earlier_attempt_do_not_hasten_it() -> None:
    earlier = 1_000_000
    resumed = [(second, done + earlier) for second, done in SAMPLE]
    assert told(resumed, 216_612 + earlier) == told(SAMPLE, 216_612)


def test_a_pace_that_changes_is_followed() -> None:
    slower = [*((float(t), 100 * t) for t in range(11)), (20.0, 1100)]
    assert told(slower, 2000)[10] == 10.0
    assert told(slower, 2000)[-1] == pytest.approx(20 / 1100 * 900)


def test_few_tiles_hardly_change_what_is_assumed_of_storing() -> None:
    assert storing_rate(0.0, 0) == ASSUMED_STORING
    assert storing_rate(0.2, 80) < 3 * ASSUMED_STORING, "though a tile took 2.5 ms"
    assert storing_rate(20.0, 200_000) == pytest.approx(1e-4, rel=0.01)


def test_what_runs_took_to_finish_is_kept_and_the_latest_count_most(own_store: object) -> None:
    assert recall_finishing(model="a") == Finishing(0.0, 0.0, ASSUMED_TABLES)
    finishing = Finishing()
    for storing in (40.0, 20.0, 20.0, 20.0):
        finishing = finishing.and_a_run(200_000, storing, tables=1.0)
    keep_finishing(finishing, model="a")
    assert recall_finishing(model="a") == finishing
    assert recall_finishing(model="b") == Finishing()
    assert finishing.seconds(400_000) == pytest.approx(2 * 20 + 1, rel=0.1)


@pytest.mark.parametrize("found", [3, [], {}, {"tiles": "many"}, {"tile": 1.0}, None])
def test_a_damaged_memory_is_as_none(own_store: object, found: object) -> None:
    keep_finishing(Finishing(1.0, 2.0, 3.0), model="a")
    (file,) = (get_settings().store / "measured").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "found": found}))
    assert recall_finishing(model="a") == Finishing()
