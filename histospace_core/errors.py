"""Errors that a user can cause. Each message says what is wrong, where, and what to do."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

Option = Literal["sample", "bin", "library", "series"]

_SHOWN = 8  # names in a sentence
SINGULARS: dict[Option, str] = {
    "sample": "sample",
    "bin": "bin size",
    "library": "library",
    "series": "series",
}
PLURALS: dict[Option, str] = {
    "sample": "samples",
    "bin": "bin sizes",
    "library": "libraries",
    "series": "series",
}
"""The word for several of what an option chooses."""


@dataclass(frozen=True)
class Alternatives:
    """Several things in one file or folder, of which the user must choose one.

    Attributes
    ----------
    option : str
        The option of the command line that chooses: ``sample`` stands for ``--sample``.
    names : tuple of str
        Values that the option accepts.
    """

    option: Option
    names: tuple[str, ...]


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
    alternatives
        What the user can choose from, if that is the remedy; a page offers them in a box.

    Attributes
    ----------
    name : str
        Name of the file in the sentence: the last part of `path`, or the name from `shown_as`.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: Path | None = None,
        remedy: str = "",
        alternatives: Alternatives | None = None,
    ) -> None:
        super().__init__(problem)  # one argument, so that pickle can make the error again
        self.problem, self.path, self.remedy = problem, path, remedy
        self.alternatives = alternatives
        self.name = path.name if path else ""

    def __str__(self) -> str:
        where = f"{self.name}: " if self.name else ""
        return f"{where}{self.problem}" + (f"; {self.remedy}." if self.remedy else "")

    @classmethod
    def several(cls, option: Option, names: Iterable[str], path: Path) -> Self:
        """Return the error for several candidates where one is read at a time.

        Parameters
        ----------
        option
            The option of the command line that chooses one of them.
        names
            Values that the option accepts.
        path
            What holds them.
        """
        found = tuple(names)
        return cls(
            f"holds {len(found)} {PLURALS[option]} ({_listed(found)}), and one is read at a time",
            path=path,
            remedy=f"choose one (on the command line: --{option} {shlex.quote(found[0])})",
            alternatives=Alternatives(option, found),
        )

    @classmethod
    def not_among(cls, option: Option, given: str, names: Iterable[str], path: Path) -> Self:
        """Return the error for a choice that is none of the candidates."""
        found = tuple(names)
        return cls(
            f"holds no {SINGULARS[option]} '{given[:60]}'",
            path=path,
            remedy=f"choose one of: {_listed(found)}",
            alternatives=Alternatives(option, found),
        )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


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
