"""Options, output and progress bar that the commands share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from histospace_core.progress import OnProgress, Progress, time_left

# of the processes that torchrun starts, only the first prints
_SILENT = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0"
out = Console(quiet=_SILENT)
Out = Annotated[Path, typer.Option("--out", help="New folder for the result.")]
Cohort = Annotated[Path, typer.Argument(help="CSV: section,patient,image,counts,spots,mpp")]
Folds = Annotated[str, typer.Option(help="patient or section")]
TrainSections = Annotated[str, typer.Option("--train", help="Sections, separated by commas.")]
TestSections = Annotated[str, typer.Option("--test", help="Sections, separated by commas.")]
Spots = Annotated[Path | None, typer.Option("--spots", help="Spot positions of a counts TSV.")]
Series = Annotated[
    str | None, typer.Option("--series", help="Image to read, if the file holds several.")
]
Sample = Annotated[
    str | None, typer.Option("--sample", help="Sample to read, if the folder holds several.")
]
BinSize = Annotated[str | None, typer.Option("--bin", help="Bin size of Visium HD, such as 8um.")]
Library = Annotated[
    str | None, typer.Option("--library", help="Section to read, if the file holds several.")
]
Trunk = Annotated[
    str | None,
    typer.Option(
        "--trunk",
        help="Frozen encoder of histospace-plus instead of efficientnet-lite0: a folder, "
        "hf-hub:<owner>/<name>, or a model of timm or torchvision; may download its weights.",
    ),
]
Licence = Annotated[
    str,
    typer.Option("--trunk-licence", help="Licence of the trunk's weights, if it states none."),
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of random seeds, from 0.")]


Stride = Annotated[
    float | None, typer.Option("--stride-um", help="Distance between tile centres, um.")
]
NoCompile = Annotated[
    bool, typer.Option("--no-compile", help="Use the plain fp32 network, the reference.")
]


class Device(StrEnum):
    """The device to compute on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Stain(StrEnum):
    """Stain normalisation."""

    none = "none"
    vahadane = "vahadane"
    macenko = "macenko"
    reinhard = "reinhard"


class _TimeLeft(rich_progress.ProgressColumn):
    """The time left as the work itself estimates it."""

    def render(self, task: rich_progress.Task) -> Text:
        seconds = task.fields["seconds_left"]
        return Text("" if seconds is None else time_left(seconds), style="progress.remaining")


@contextmanager
def progress_bar(
    what: str, *more: rich_progress.ProgressColumn, estimates: bool = False
) -> Iterator[OnProgress]:
    """Show a progress bar on stderr, so that output can be piped; yield its callback.

    The columns `more` appear before the remaining time, which is told from the bar's speed unless
    the work `estimates` it.
    """
    text, bar, left = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        _TimeLeft() if estimates else rich_progress.TimeRemainingColumn(),
    )
    console = Console(stderr=True, quiet=_SILENT)
    with rich_progress.Progress(text, bar, *more, left, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None, seconds_left=None)

        def report(event: Progress) -> None:
            shown.update(
                task,
                completed=event.done,
                total=event.total or None,
                description=replace(event, seconds_left=None).sentence(),
                seconds_left=event.seconds_left,
            )

        yield report


def names(text: str) -> list[str]:
    """Split a list at its commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
