"""What the verbs of the command line share: options, output, progress."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

# of the processes that torchrun starts, the first speaks
_SILENT = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0"
out = Console(quiet=_SILENT)
Out = Annotated[Path, typer.Option("--out", help="New folder for the result.")]
Cohort = Annotated[Path, typer.Argument(help="CSV: section,patient,image,counts,spots,mpp")]


class Device(StrEnum):
    """Where the arithmetic runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@contextmanager
def progress_bar(
    what: str, *more: ProgressColumn
) -> Iterator[Callable[[int, int | None, str], None]]:
    """A progress bar on stderr, so that output can be piped; plain where there is no terminal.

    `more` columns stand before the time that remains.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), *more, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=_SILENT), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, message: bar.update(
            task, completed=done, total=total, description=message
        )


def names(text: str) -> list[str]:
    """Split a list by comma."""
    return [name.strip() for name in text.split(",") if name.strip()]
