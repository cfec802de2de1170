"""Errors that a user can cause. Each message says what is wrong, where, and what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class HistospaceError(Exception):
    """Base of every error whose text may be shown to a user as it stands.

    ``str(error)`` is one sentence: "NAME: PROBLEM; REMEDY.".

    Parameters
    ----------
    problem
        What is wrong. It ends with a full stop where no remedy follows.
    path
        The file or folder that the error is about.
    remedy
        What the user can do, without a full stop.

    Attributes
    ----------
    name : str
        Name of the file in the sentence: the last part of `path`, or the name from `shown_as`.
    """

    def __init__(self, problem: str, *, path: Path | None = None, remedy: str = "") -> None:
        super().__init__(problem)  # one argument, so that pickle can make the error again
        self.problem, self.path, self.remedy = problem, path, remedy
        self.name = path.name if path else ""

    def __str__(self) -> str:
        where = f"{self.name}: " if self.name else ""
        return f"{where}{self.problem}" + (f"; {self.remedy}." if self.remedy else "")


@contextmanager
def shown_as(names: Mapping[Path, str]) -> Iterator[None]:
    """Use the user's names of files in the errors that the block raises.

    Parameters
    ----------
    names
        The user's name of each stored file.
    """
    try:
        yield
    except HistospaceError as error:
        if error.path is not None and error.path in names:
            error.name = names[error.path]
        raise


class SlideError(HistospaceError):
    """The file is not a readable slide, or not an H&E slide."""


class PixelSizeError(SlideError):
    """The pixel size is missing, zero, not finite, implausible, or differs in x and y."""


class TissueError(SlideError):
    """There is no tissue, or too little of it can be read."""


class MeasurementError(HistospaceError):
    """Measured expression with an unusable format, counts, genes or positions."""


class RegionError(HistospaceError):
    """A drawn region, or a file of regions, that cannot be used."""


class CohortError(HistospaceError):
    """A cohort table that is incomplete, inconsistent or leaks patients between train and test."""


class ModelError(HistospaceError):
    """A model package that is missing, damaged, altered or of an unknown kind."""


class StoreError(HistospaceError):
    """A stored run, prediction or other file cannot be read or written."""


class JobError(HistospaceError):
    """A run cannot be submitted, cancelled or resumed in its present state."""


class Cancelled(HistospaceError):  # noqa: N818 - not an error
    """The user stopped the work; nothing is wrong."""
