"""What every source of public cohorts has: a description, its files, its sections."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.download import RemoteFile

Fetch = Callable[[RemoteFile], Path]  # puts one file into the cohort folder
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")


@dataclass(frozen=True)
class PublicSection:
    """A section as it lies in the cohort folder; paths are relative to it.

    Attributes
    ----------
    mpp : pixel size of the image, um/px; None where the image is to state it.
    mpp_from : how the pixel size is known.
    notes : what a user should know of this section.
    """

    name: str
    patient: str
    image: str
    counts: str
    spots: str = ""
    mpp: float | None = None
    mpp_from: str = "the image file"
    notes: tuple[str, ...] = field(default=())


class Source(ABC):
    """A place that publishes cohorts; one subclass a place, one instance in the registry.

    Attributes
    ----------
    name, example : as a user types them.
    title, page, licence, citation : for `SOURCE.md`; a licence that was not checked says so.
    base_url : where its files are; a mirror is laid out like it.
    caveats : known traps of the data and what was done about each.
    """

    name: str
    example: str
    title: str
    page: str
    licence: str
    citation: str
    base_url: str
    caveats: tuple[str, ...]
    needs_ids: bool = False

    @abstractmethod
    def files(self, ids: Sequence[str], base_url: str, fetch: Fetch) -> list[RemoteFile]:
        """Return the files of the sections asked for; `fetch` is for listings."""

    @abstractmethod
    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the sections once their files are in `folder`, unpacking what needs it."""

    def pin(self, ids: Sequence[str], base_url: str, about: str) -> str:
        """Return the address of one fixed version of the files, where the source has versions.

        `about` is the `SOURCE.md` of an earlier fetch into the same folder, or empty; a fetch that
        completes it keeps its version.
        """
        return base_url

    def check_ids(self, ids: Sequence[str]) -> None:
        """Refuse ids that this source cannot have.

        Raises
        ------
        CohortError
            Missing, or not a plain name.
        """
        if self.needs_ids and not ids:
            raise CohortError(f"'{self.name}' needs the name of a data set, e.g. {self.example}.")
        for name in ids:
            if not FILE_NAME.fullmatch(name):
                raise CohortError(f"'{name}' is no name of a data set; give e.g. {self.example}.")


def require_file_name(name: str, listing: str) -> str:
    """Return a file name that a listing states, if it is one and no path.

    Raises
    ------
    CohortError
        It would leave the cohort folder.
    """
    if not FILE_NAME.fullmatch(name):
        raise CohortError(f"{listing} names a file {name[:80]!r}, which is no plain file name.")
    return name
