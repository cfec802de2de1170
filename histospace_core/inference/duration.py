"""How long a prediction takes: estimates while it runs, from its pace and from earlier runs.

A prediction has three parts. The start (the tissue, the network) and the tables at the end take
about the same time for every slide. Encoding is paced by the slide and is told from the run itself.
Storing, which computes all genes of every tile and writes them, follows the number of tiles.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from histospace_core.remembered import keep, recall

ASSUMED_STORING, ASSUMED_TABLES = 6e-5, 2.0
"""Seconds to store a tile, and to write the tables, without an earlier run: a laptop's."""
_TRUST_TILES = 2000
"""Number of tiles from which earlier runs count for more than the assumption."""
_SOONEST_S = 2.0
"""Seconds of work below which its pace tells nothing."""
_WHAT = "time to finish a prediction"


def seconds_left(done: int, left: int, since: float, after: float = 0.0) -> float | None:
    """Return the seconds that work still takes at its own pace; None if it is too early to tell.

    Parameters
    ----------
    done
        Units done since the first report of this attempt. Those of earlier attempts and of the
        first report itself do not count, because nobody timed them.
    left
        Units that are left.
    since
        Seconds since the first report.
    after
        Seconds of what follows this work.
    """
    if done <= 0 or since < _SOONEST_S:
        return None if left else after
    return left * since / done + after


class Countdown:
    """Seconds left of some work, each time that it reports the units done so far.

    Parameters
    ----------
    total
        Units of the whole work.
    after
        Seconds of what follows it.
    clock
        Returns the time, s.
    """

    def __init__(
        self, total: int, after: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._after, self._clock = total, after, clock
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int) -> float | None:
        now = self._clock()
        if self._first is None:
            self._first = done, now
        n, began = self._first
        return seconds_left(done - n, self._total - done, now - began, self._after)


def storing_rate(seconds: float, tiles: float) -> float:
    """Return the seconds to store a tile; a few tiles hardly change what is assumed."""
    return (seconds + ASSUMED_STORING * _TRUST_TILES) / (tiles + _TRUST_TILES)


@dataclass(frozen=True)
class Finishing:
    """What runs of a model took after encoding; older runs count for less.

    Attributes
    ----------
    tiles, storing_seconds : float
        Tiles that were stored, and the time this took.
    tables_seconds : float
        Time to write the tables.
    """

    tiles: float = 0.0
    storing_seconds: float = 0.0
    tables_seconds: float = ASSUMED_TABLES

    def seconds(self, tiles: int) -> float:
        """Return the expected time of everything after encoding."""
        return tiles * storing_rate(self.storing_seconds, self.tiles) + self.tables_seconds

    def and_a_run(self, tiles: int, storing: float, tables: float) -> Self:
        """Return what is known after one more run."""
        return type(self)(
            self.tiles / 2 + tiles,
            self.storing_seconds / 2 + storing,
            (self.tables_seconds + tables) / 2,
        )


def recall_finishing(**facts: Any) -> Finishing:
    """Return what earlier runs on this machine took after encoding."""
    found: Any = recall(_WHAT, **facts)
    try:
        return Finishing(**{name: max(0.0, float(value)) for name, value in found.items()})
    except (AttributeError, TypeError, ValueError):  # nothing yet, or a damaged file
        return Finishing()


def keep_finishing(finishing: Finishing, **facts: Any) -> None:
    """Keep what the runs on this machine took after encoding."""
    keep(_WHAT, asdict(finishing), **facts)
