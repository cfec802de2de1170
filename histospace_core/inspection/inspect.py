"""Inspect a file or folder: the main path."""

import re
from pathlib import Path

from histospace_core.errors import HistospaceError, StoreError, shown_as
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.files import content_sha256
from histospace_core.inspection import recognise
from histospace_core.inspection.describe import describe_as_json
from histospace_core.inspection.findings import Fact, Inspection
from histospace_core.inspection.request import Request
from histospace_core.inspection.versions import versions
from histospace_core.sandbox import SandboxError, run_in_sandbox
from histospace_core.slides.content import slide_files

SECONDS, MEMORY_MB = 1200, 24 * 1024
"""Limits of the child process; the readers have lower ones of their own."""


def inspect_path(
    path: str | Path,
    spots: str | Path | None = None,
    *,
    series: str | None = None,
    choice: Choice = ONLY,
    name: str = "",
) -> Inspection:
    """Say what a file or folder is, by its content, and whether HistoSPACE can use it.

    Parameters
    ----------
    path
    spots
        Spot file that belongs to a table of counts.
    series
        Image to read, if the file holds several.
    choice
        Sample, bin size or library to read, if there are several.
    name
        The user's name of the file, if it is stored under another one.

    Returns
    -------
    Inspection
        With a `problem` where the readers refuse the file; the facts say what is known even then.
    """
    path = Path(path)
    found = Inspection(name or path.name or path.resolve().name, recognise.UNKNOWN)
    size: list[Fact] = []
    try:
        with shown_as({path: found.name}):
            found.kind = recognise.MEASURED if spots else _kind(path)
            size = _size(path, found.kind)
            request = Request(path, None if spots is None else Path(spots), series, choice)
            request.refuse_unused(found.kind)
            found = _in_child(found, request)
    except HistospaceError as error:
        found.refuse(error)
    except SandboxError as error:
        found.problem = _crash(found.name, error)
    found.facts += size
    found.versions = versions()
    return _without_folders(found, path, spots)


def _kind(path: Path) -> str:
    try:
        return recognise.recognise(path)
    except FileNotFoundError:
        raise StoreError(
            "there is no such file or folder", path=path, remedy="check the path"
        ) from None
    except PermissionError:
        raise StoreError("it may not be read", path=path, remedy="check its permissions") from None
    except (OSError, ValueError) as error:
        # a path that no system call accepts cannot be shown as it is
        raise StoreError(f"{path.name[:80]!a}: it cannot be opened ({error}).") from None


def _in_child(found: Inspection, request: Request) -> Inspection:
    sent = run_in_sandbox(
        describe_as_json,
        found.name,
        found.kind,
        request.to_json(),
        seconds=SECONDS,
        memory_mb=MEMORY_MB,
    )
    return Inspection.from_child(sent)


def _size(path: Path, kind: str) -> list[Fact]:
    """Return number, size and hash of the files, which are known even of a damaged file."""
    whole = kind == recognise.SLIDE
    files = slide_files(path) if whole else [path] if path.is_file() else _within(path)
    facts = []
    if path.is_file():
        first = recognise.first_bytes(path)
        facts.append(Fact("first bytes", first, first))
    total = sum(file.stat().st_size for file in files)
    number = f"{len(files):,} files, " if len(files) != 1 else ""
    facts.append(Fact("size on disk", f"{number}{total:,} bytes", total))
    if path.is_file() or whole:
        hashed = content_sha256(*files)
        facts.append(Fact("SHA-256", hashed, hashed))
    return facts


def _within(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.rglob("*") if entry.is_file())


def _crash(name: str, error: SandboxError) -> str:
    said = {
        "time": f"reading it took more than {SECONDS} s",
        "memory": f"reading it needs more than {MEMORY_MB // 1024} GB of memory",
        "crash": f"the file is damaged and crashes its reader ({error.detail})",
    }
    return f"{name}: {said[error.cause]}; export it again."


def _without_folders(found: Inspection, *paths: str | Path | None) -> Inspection:
    """Cut folders off every path in the sentences: an inspection is made to be shown to others."""
    folders = {str(Path(path).absolute().parent) for path in paths if path is not None}
    cut = re.compile("|".join(re.escape(folder.rstrip("/\\")) + r"[/\\]" for folder in folders))
    found.problem = cut.sub("", found.problem)
    found.notes = [cut.sub("", note) for note in found.notes]
    return found
