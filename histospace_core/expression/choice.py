"""Which of several measurements in one file or folder is read."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from histospace_core.errors import MeasurementError, Option


@dataclass(frozen=True)
class Choice:
    """What a user has chosen; None where one candidate needs no choice.

    Attributes
    ----------
    sample : str, optional
        Folder of one Space Ranger output among several, as the error names it.
    bin : str, optional
        Bin size of Visium HD: "8", "008", "8um" or "square_008um".
    library : str, optional
        One section of an h5ad, or one table of SpatialData, that holds several.
    """

    sample: str | None = None
    bin: str | None = None
    library: str | None = None


ONLY = Choice()
"""No choice: there must be one candidate."""


def choose(option: Option, names: Sequence[str], given: str | None, path: Path) -> str:
    """Return the only candidate, or the one that was chosen; never guess.

    Parameters
    ----------
    option
        The option of the command line that chooses.
    names
        At least one candidate, each name once.
    given
        The user's choice, None if there is none.
    path
        What holds the candidates, for error messages.

    Raises
    ------
    MeasurementError
        There are several and none was chosen, or the choice is none of them.
    """
    if given is not None:
        if given not in names:
            raise MeasurementError.not_among(option, given, names, path)
        return given
    if len(names) > 1:
        raise MeasurementError.several(option, names, path)
    return names[0]


def refuse_unused(choice: Choice, used: Collection[str], path: Path) -> None:
    """Refuse a choice of a kind that a file or folder does not offer.

    Parameters
    ----------
    choice
    used
        The options by which there is something to choose.
    path
        The file or folder, for error messages.

    Raises
    ------
    MeasurementError
    """
    for option, given in asdict(choice).items():
        if given is not None and option not in used:
            raise MeasurementError(
                f"there is nothing to choose by --{option}", path=path, remedy="leave it out"
            )
