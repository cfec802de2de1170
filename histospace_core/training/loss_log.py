"""The losses of a training, written after each epoch and read by the Train page.

They are in the folder of the run, one JSON object per line, so that they survive a reload of the
page, a restart of the app and an interruption of the run.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from histospace_core.progress import OnProgress, Progress

FILE = "losses.jsonl"
COLUMNS = ("part", "stage", "epoch", "loss", "held_out_loss")
_RECORDED = ("done", *COLUMNS)


class LossLog:
    """A progress callback that records each loss, then passes the event on.

    Parameters
    ----------
    folder
        Folder of the run.
    attempt
        Attempt of the run; an epoch of a later attempt replaces the same epoch of an earlier one.
    on_progress
        Callback that receives every event.
    """

    def __init__(self, folder: Path, attempt: int, on_progress: OnProgress) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self._attempt = attempt
        self._on_progress = on_progress

    def __call__(self, event: Progress) -> None:
        if event.loss is not None:
            record = {name: getattr(event, name) for name in _RECORDED}
            # closed after each line, so that the Train page sees it at once
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"attempt": self._attempt, **record}) + "\n")
        self._on_progress(event)


def read_losses(folder: Path) -> pd.DataFrame:
    """Return the losses of a run so far, in the order of training.

    Returns
    -------
    DataFrame with `COLUMNS`: `part` is the fold, or another of several trainings; `epoch` counts
    from 1 within a stage of a part. Empty if nothing has been written yet.
    """
    file = folder / FILE
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    records = [record for record in map(_record, lines) if record]
    if not records:
        return pd.DataFrame(columns=list(COLUMNS))
    points = pd.DataFrame(records, columns=["attempt", *_RECORDED])
    points["epoch"] = points["epoch"].fillna(_count_epochs(points[points["epoch"].isna()]))
    points = points.dropna(subset="epoch").astype({"epoch": int})
    points = points.drop_duplicates(["part", "stage", "epoch"], keep="last")
    points = points.sort_values("done", kind="stable", ignore_index=True)
    points["held_out_loss"] = points["held_out_loss"].astype(float)
    return points[list(COLUMNS)]


def _count_epochs(points: pd.DataFrame) -> pd.Series:
    """Number the epochs of records that do not state them, as in files of older versions."""
    where = [points["part"], points["stage"], points["done"]]
    latest = points["attempt"] == points["attempt"].groupby(where).transform("max")
    ordered = points[latest].sort_values("done", kind="stable")
    return ordered.groupby(["part", "stage"]).cumcount() + 1


def _record(line: str) -> dict[str, Any] | None:
    """Return the record in a line; None if its writer was killed in the middle of it."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
