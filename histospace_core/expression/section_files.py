"""The files of one section, found by their names."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# the name of a sample may stand before and behind 10x's own: GSM1_matrix.mtx.gz, matrix_s1.mtx.gz
_BEHIND = r"((?:[_\-. (].*?)?)"
_MATRIX = re.compile(rf"(.*?)(filtered|raw)_feature_bc_matrix{_BEHIND}\.h5(?:\.gz)?", re.IGNORECASE)
_MTX = re.compile(rf"(.*?)matrix{_BEHIND}\.mtx(?:\.gz)?", re.IGNORECASE)
_MTX_FOLDER = re.compile(rf"(.*?)(filtered|raw)_feature_bc_matrix{_BEHIND}", re.IGNORECASE)
_MTX_PREFIX = re.compile(r"(.*?)(filtered|raw)(?:_feature_bc_matrix)?", re.IGNORECASE)
_POSITIONS = re.compile(
    rf"(.*?)(?:aggr_)?tissue_positions(?:_list)?{_BEHIND}\.(?:csv|parquet)(?:\.gz)?", re.IGNORECASE
)
_SCALES = re.compile(rf"(.*?)scalefactors_json{_BEHIND}\.json(?:\.gz)?", re.IGNORECASE)
_AGGREGATION = re.compile(rf"(.*?)aggregation{_BEHIND}\.csv(?:\.gz)?", re.IGNORECASE)
_SPATIAL = re.compile(rf"(.*?)spatial{_BEHIND}", re.IGNORECASE)
# of browsers and file managers: it is the same file, or a version of it, under one name
_COPY = re.compile(r"(?: ?\(\d+\)|[ _]copy(?: \d+)?| - copy(?: \(\d+\))?)$", re.IGNORECASE)
_BIN = re.compile(r"square_(\d{3})um", re.IGNORECASE)


@dataclass
class Section:
    """The files of one section, all below one parent folder and with one prefix.

    Attributes
    ----------
    home : the parent folder.
    prefix : what the files' names begin or end with, "" if nothing.
    filtered, raw : count matrices, `.h5` or `matrix.mtx`.
    positions, scales : position and scale factor files.
    by_library : the same two kinds of file of each library that `spaceranger aggr` has copied.
    aggregation : the table of libraries of `spaceranger aggr`.
    """

    home: Path
    prefix: str
    filtered: list[Path] = field(default_factory=list)
    raw: list[Path] = field(default_factory=list)
    positions: list[Path] = field(default_factory=list)
    scales: list[Path] = field(default_factory=list)
    by_library: dict[str, list[Path]] = field(default_factory=dict)
    aggregation: Path | None = None

    def join(self, other: "Section") -> None:
        """Take over the positions and scale factors of another."""
        self.positions += other.positions
        self.scales += other.scales
        self.aggregation = self.aggregation or other.aggregation
        for library, files in other.by_library.items():
            self.by_library.setdefault(library, []).extend(files)

    @property
    def has_counts(self) -> bool:
        """Whether there is any count matrix."""
        return bool(self.filtered or self.raw)

    @property
    def has_positions(self) -> bool:
        """Whether there is any position file."""
        found = (path for files in self.by_library.values() for path in files)
        return bool(self.positions) or any(_POSITIONS.fullmatch(path.name) for path in found)

    @property
    def bin(self) -> str | None:
        """The name of the bin size, None if this is not Visium HD."""
        found = _BIN.fullmatch(self.home.name)
        return found and found[0].lower()


class Places:
    """Sections by parent folder and prefix, filled file by file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sections: dict[tuple[Path, str], Section] = {}

    def sort_in(self, path: Path) -> bool:
        """Add a file to its section, and return whether its name is that of a file to read."""
        name = unicodedata.normalize("NFC", path.name)
        if found := _MATRIX.fullmatch(name):
            section = self._at(path.parent, _label(found[1], found[3]))
            (section.filtered if found[2].lower() == "filtered" else section.raw).append(path)
        elif found := _MTX.fullmatch(name):
            self._sort_in_mtx(path, found[1], found[2])
        elif found := _POSITIONS.fullmatch(name):
            self._beside(path, _label(found[1], found[2]), lambda section: section.positions)
        elif found := _SCALES.fullmatch(name):
            self._beside(path, _label(found[1], found[2]), lambda section: section.scales)
        elif found := _AGGREGATION.fullmatch(name):
            self._at(path.parent, _label(found[1], found[2])).aggregation = path
        else:
            return False
        return True

    def _at(self, home: Path, *labels: str) -> Section:
        label = next((name for name in labels if name), "")
        return self.sections.setdefault((home, _key(label)), Section(home, label))

    def _sort_in_mtx(self, path: Path, prefix: str, behind: str) -> None:
        parent = path.parent
        inside = _MTX_FOLDER.fullmatch(parent.name) if parent != self.folder else None
        flat = _MTX_PREFIX.fullmatch(strip_prefix(prefix))
        kind = inside or flat
        section = self._at(
            parent.parent if inside else parent,
            _label(flat[1] if flat else prefix, behind),
            _label(inside[1], inside[3]) if inside else "",
        )
        (section.raw if kind and kind[2].lower() == "raw" else section.filtered).append(path)

    def _beside(self, path: Path, label: str, files: Callable[[Section], list[Path]]) -> None:
        """Sort in a file of `spatial`, of a library's folder in it, or beside the counts."""
        parent, above = path.parent, path.parent.parent
        if self.folder == parent or _has_counts(parent):
            files(self._at(parent, label)).append(path)
        elif inside := _SPATIAL.fullmatch(parent.name):
            files(self._at(above, label, _label(inside[1], inside[2]))).append(path)
        elif self.folder != above and above.name.casefold() == "spatial":
            libraries = self._at(above.parent, label).by_library
            name = unicodedata.normalize("NFC", parent.name)
            libraries.setdefault(name, []).append(path)
        else:
            files(self._at(parent, label)).append(path)


def _has_counts(folder: Path) -> bool:
    """Return whether counts lie in a folder itself, so that its name says nothing of positions."""
    names = [path.name for path in folder.iterdir()]
    return any(_MATRIX.fullmatch(name) or _MTX.fullmatch(name) for name in names)


def _label(prefix: str, behind: str) -> str:
    """Return the name of a section from what stands before and behind 10x's own name of a file."""
    parts = strip_prefix(prefix), _COPY.sub("", behind).strip("_-. ")
    return "_".join(part for part in parts if part)


def strip_prefix(prefix: str) -> str:
    """Return a prefix without the punctuation that separates it from the rest."""
    return prefix.rstrip("_-. ")


def _key(prefix: str) -> str:
    return strip_prefix(prefix).casefold()
