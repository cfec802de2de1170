"""Loss curves of a training: written by its worker epoch by epoch, read by whoever watches.

They lie in the run's folder, one JSON object a line, so that a reload of the page, a restart of the
app or a resumed run loses nothing.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

FILE = "losses.jsonl"
COLUMNS = ("part", "stage", "epoch", "loss", "held_out_loss")
_MESSAGE = re.compile(
    r"(?:(?P<part>.+): )?(?P<stage>[^:]+), loss (?P<loss>[^\s,]+)"
    r"(?:, held-out loss (?P<held_out_loss>[^\s,]+))?"
)
_EPOCH = re.compile(r"epoch \d+")  # what a network with a single stage says


def parse_loss(message: str) -> dict[str, Any] | None:
    """Return what a training's progress message says of its loss; None where it says nothing.

    Examples
    --------
    >>> parse_loss("fold 1 of 2, held out B4: autoencoder, loss 0.0123")["stage"]
    'autoencoder'
    """
    found = _MESSAGE.fullmatch(message)
    if found is None:
        return None
    held_out = found["held_out_loss"]
    stage = "network" if _EPOCH.fullmatch(found["stage"]) else found["stage"]
    try:
        return {
            "part": found["part"] or "",
            "stage": stage,
            "loss": float(found["loss"]),
            "held_out_loss": None if held_out is None else float(held_out),
        }
    except ValueError:
        return None


class LossLog:
    """Progress that also notes the losses it is told; stands before the run's own progress.

    Parameters
    ----------
    folder
        Of the run.
    attempt
        Of the run: epochs that a later attempt repeats replace the earlier ones.
    """

    def __init__(self, folder: Path, attempt: int, on_progress: Callable[..., None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self._attempt = attempt
        self._on_progress = on_progress

    def __call__(self, done: int, total: int, stage: str = "") -> None:
        point = parse_loss(stage)
        if point is not None:
            line = json.dumps({"done": done, "attempt": self._attempt, **point})
            with self._file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        self._on_progress(done, total, stage)


def read_losses(folder: Path) -> pd.DataFrame:
    """Return the losses of a run so far, in the order of training.

    Returns
    -------
    DataFrame with `COLUMNS`: `part` is the fold (or what else is trained in turn), `epoch` counts
    from 1 within a part's stage. Empty where nothing was noted yet.
    """
    file = folder / FILE
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    points = pd.DataFrame([point for point in map(_point, lines) if point])
    if points.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    where = [points["part"], points["stage"], points["done"]]
    points = points[points["attempt"] == points["attempt"].groupby(where).transform("max")]
    points = points.sort_values("done", kind="stable", ignore_index=True)
    points["epoch"] = points.groupby(["part", "stage"]).cumcount() + 1
    points["held_out_loss"] = points["held_out_loss"].astype(float)
    return points[list(COLUMNS)]


def _point(line: str) -> dict[str, Any] | None:
    """Return one line's point; None for a line cut off where a process was killed."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
