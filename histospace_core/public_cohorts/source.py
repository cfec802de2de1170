"""The interface of a source of public cohorts: description, files and sections."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.download import RemoteFile

Fetch = Callable[[RemoteFile], Path]  # puts one file into the cohort folder
# Starts with no dot, so it is neither `..` nor hidden.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,150}")


@dataclass(frozen=True)
class PublicSection:
    """A section in the cohort folder; paths are relative to the folder.

    Attributes
    ----------
    mpp : pixel size of the image, um/px; None if the image file states it.
    mpp_from : where the pixel size comes from.
    notes : what a user should know about this section.
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
    """A publisher of cohorts: one subclass for each, one instance in the registry.

    Attributes
    ----------
    name, example : what a user types.
    title, page, licence, citation : for `SOURCE.md`; a licence that was not checked says so.
    base_url : address of its files; a mirror has the same folders.
    caveats : known problems of the data, and how each was handled.
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
        """Return the files of the sections `ids`, or of all; `fetch` downloads listings."""

    @abstractmethod
    def sections(self, ids: Sequence[str], folder: Path) -> list[PublicSection]:
        """Return the sections whose files are in `folder`; unpack archives first."""

    def pin(self, ids: Sequence[str], base_url: str, about: str) -> str:
        """Return the address of one fixed version of the files, if the source has versions.

        `about` is the `SOURCE.md` of an earlier download into the same folder, or empty; a
        download that completes it keeps its version.
        """
        return base_url

    def check_ids(self, ids: Sequence[str]) -> None:
        """Refuse ids that this source does not accept.

        Raises
        ------
        CohortError
            An id is missing or is not a plain name.
        """
        if self.needs_ids and not ids:
            raise CohortError(f"'{self.name}' needs the name of a data set, e.g. {self.example}.")
        for name in ids:
            if not FILE_NAME.fullmatch(name):
                raise CohortError(
                    f"'{name}' is not the name of a data set; give e.g. {self.example}."
                )


def require_file_name(name: str, listing: str) -> str:
    """Return a file name from a listing, if it is a plain name and not a path.

    Raises
    ------
    CohortError
        The name is a path, which could lead out of the cohort folder.
    """
    if not FILE_NAME.fullmatch(name):
        raise CohortError(f"{listing} names a file {name[:80]!r}, which is no plain file name.")
    return name
