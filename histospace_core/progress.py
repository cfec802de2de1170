"""How far a piece of work is: one event, passed to whoever watches."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is, and what it is doing.

    Attributes
    ----------
    done, total : int
        Units of work that are done, and all of them; `total` is 0 where it is not known.
    stage : str
        What is being done, e.g. "autoencoder".
    part : str
        Which part of a longer piece of work this is, e.g. "fold 1 of 2, held out B4".
    epoch : int, optional
        Finished epochs of the stage.
    loss, held_out_loss : float, optional
        Mean loss over the epoch, on the training spots and on spots that choose the epoch.
    note : str
        What a reader should know besides, e.g. that memory is short.
    """

    done: int
    total: int
    stage: str = ""
    part: str = ""
    epoch: int | None = None
    loss: float | None = None
    held_out_loss: float | None = None
    note: str = ""

    def sentence(self) -> str:
        """Return the event as a person reads it; empty where only the numbers say something.

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
        return ": ".join(filter(None, [self.part, text.strip()]))


OnProgress = Callable[[Progress], None]
"""Called often while work goes on; may raise `Cancelled` to stop it."""


def no_progress(event: Progress) -> None:
    """Report nothing."""


def stage_progress(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """Return the callback of one stage, whose units of work count among those of all stages.

    Parameters
    ----------
    before
        Units that are done before the stage begins.
    total
        Units of all stages.
    """
    return lambda event: on_progress(replace(event, done=before + event.done, total=total))


def part_progress(on_progress: OnProgress, part: str, start: float, stop: float) -> OnProgress:
    """Return the callback of one part of a longer piece of work.

    Parameters
    ----------
    on_progress
        Callback of the whole, whose `total` becomes 1000.
    part
        Name of the part.
    start, stop
        Which share of the whole the part is, from 0 to 1.
    """

    def report(event: Progress) -> None:
        share = start + (stop - start) * event.done / max(event.total, 1)
        name = ", ".join(filter(None, [part, event.part]))
        on_progress(replace(event, done=round(1000 * share), total=1000, part=name))

    return report
