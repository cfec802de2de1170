"""The progress of a piece of work, as one type of event."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """How much of a piece of work is done, and its current stage.

    Attributes
    ----------
    done, total : int
        Units of work that are done, and their total; 0 if the total is unknown.
    stage : str
        The current stage, e.g. "autoencoder".
    part : str
        The current part of a longer piece of work, e.g. "fold 1 of 2, held out B4".
    epoch : int, optional
        Finished epochs of the stage.
    loss, held_out_loss : float, optional
        Mean loss over the epoch, on the training spots and on those used to choose the epoch.
    note : str
        Anything else that the user should know, e.g. that memory is short.
    seconds_left : float, optional
        Estimate of the time that the whole work still takes.
    """

    done: int
    total: int
    stage: str = ""
    part: str = ""
    epoch: int | None = None
    loss: float | None = None
    held_out_loss: float | None = None
    note: str = ""
    seconds_left: float | None = None

    def sentence(self) -> str:
        """Return the event as text for the user; empty if it has only `done` and `total`.

        Examples
        --------
        >>> Progress(3, 20, "autoencoder", "fold 1 of 2, held out B4", 3, 0.0123).sentence()
        'fold 1 of 2, held out B4: autoencoder, epoch 3, loss 0.0123'
        """
        facts = [
            self.stage,
            "" if self.epoch is None else f"epoch {self.epoch}",
            "" if self.loss is None else f"loss {self.loss:.4f}",
            "" if self.held_out_loss is None else f"held-out loss {self.held_out_loss:.4f}",
        ]
        text = ", ".join(filter(None, facts)) + (f" ({self.note})" if self.note else "")
        said = ": ".join(filter(None, [self.part, text.strip()]))
        left = "" if self.seconds_left is None else time_left(self.seconds_left)
        return " · ".join(filter(None, [said, left]))


def time_left(seconds: float) -> str:
    """Return a remaining time as the user reads it, e.g. "about 2 minutes left".

    Examples
    --------
    >>> [time_left(s) for s in (0.2, 38, 130, 9000)]
    ['about 1 second left', 'about 40 seconds left', 'about 2 minutes left', 'about 2.5 hours left']
    """
    if seconds < 100:
        n, unit = f"{max(1, round(seconds) if seconds < 20 else 5 * round(seconds / 5))}", "second"
    elif seconds < 100 * 60:
        n, unit = f"{seconds / 60:.0f}", "minute"
    else:
        n, unit = f"{seconds / 3600:.1f}".removesuffix(".0"), "hour"
    return f"about {n} {unit}{'' if n == '1' else 's'} left"


OnProgress = Callable[[Progress], None]
"""Called often during the work; it may raise `Cancelled` to stop the work."""


def no_progress(event: Progress) -> None:
    """Report nothing."""


def stage_progress(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """Return a callback for one stage that reports its progress as part of all stages.

    Parameters
    ----------
    before
        Units of the stages before it.
    total
        Units of all stages together.
    """
    # The estimate of a stage is not that of the whole.
    return lambda event: on_progress(
        replace(event, done=before + event.done, total=total, seconds_left=None)
    )


def part_progress(on_progress: OnProgress, part: str, start: float, stop: float) -> OnProgress:
    """Return a callback for one part of a longer piece of work.

    Parameters
    ----------
    on_progress
        Callback of the whole work; its `total` is 1000.
    part
        Name of the part.
    start, stop
        The part begins and ends at these shares of the whole work, from 0 to 1.
    """

    def report(event: Progress) -> None:
        share = start + (stop - start) * event.done / max(event.total, 1)
        name = ", ".join(filter(None, [part, event.part]))
        done = round(1000 * share)
        on_progress(replace(event, done=done, total=1000, part=name, seconds_left=None))

    return report
