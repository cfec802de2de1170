"""Import slides from the operator's import folder, which is never written to."""

import os
import re
import shutil
from contextlib import nullcontext
from itertools import islice
from pathlib import Path, PurePosixPath

from histospace_core.catalog.catalog import Catalog
from histospace_core.catalog.intake import accept_slide
from histospace_core.catalog.quota import require_space
from histospace_core.catalog.tables import SlideRow
from histospace_core.errors import SlideError
from histospace_core.files import is_hidden, sha256
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.settings import Settings
from histospace_core.slides.probe import probe_slide

MAX_LISTED = 2000
_SLIDE = re.compile(r"\.(svs|ndpi|tiff?|scn|bif|svslide|qptiff|png|jpe?g)\Z", re.IGNORECASE)


def list_importable(settings: Settings) -> list[str]:
    """Return the slides that can be imported, as sorted relative paths; at most `MAX_LISTED`.

    Hidden files, and links to places outside the folder, are left out.
    """
    if settings.import_dir is None:
        return []
    root = settings.import_dir.resolve()
    names = (
        file.relative_to(root).as_posix()
        for folder, inner, files in os.walk(root)
        for file in (Path(folder, name) for name in _visible(files, inner))
        if _SLIDE.search(file.name) and file.resolve().is_relative_to(root) and file.is_file()
    )
    return sorted(islice(names, MAX_LISTED))  # `names` is lazy, so this also ends the walk


def _visible(files: list[str], inner: list[str]) -> list[str]:
    inner[:] = sorted(name for name in inner if not is_hidden(name))  # os.walk enters these
    return sorted(name for name in files if not is_hidden(name))


def find_import(settings: Settings, name: str) -> Path:
    """Return the file of a name from `list_importable`.

    Raises
    ------
    SlideError
        There is no import folder, or no such file in it.
    """
    if settings.import_dir is None:
        raise SlideError("There is no import folder: ask your operator for HISTOSPACE_IMPORT_DIR.")
    root = settings.import_dir.resolve()
    parts = PurePosixPath(name).parts
    file = root.joinpath(*parts).resolve()
    # The name comes from the browser.
    if ".." in parts or not file.is_relative_to(root) or not file.is_file():
        raise SlideError(f"{name} is not in the import folder (any more): reload the list.")
    return file


def images_of(settings: Settings, name: str) -> tuple[str, ...]:
    """Return the images of a file of the import folder, of which one must be chosen, if any.

    Raises
    ------
    SlideError
        The file is missing, or cannot be read.
    """
    try:
        probe_slide(find_import(settings, name))
    except SlideError as error:
        if error.alternatives is None:
            raise
        return error.alternatives.names
    return ()


def import_slide(
    settings: Settings,
    catalog: Catalog,
    name: str,
    staging: Path,
    on_progress: OnProgress = no_progress,
    *,
    series: str | None = None,
) -> SlideRow:
    """Import a file of the import folder into the store.

    The file is linked, which takes no space, if the folder and the store are on one disk; otherwise
    it is copied.

    Parameters
    ----------
    name
        A name from `list_importable`.
    staging
        A new folder within the store, removed at the end.
    on_progress
        Called with the bytes read so far and their total.
    series
        Image to read, if the file holds several; `images_of` names them.

    Raises
    ------
    SlideError
        The file is missing, or is not a slide that can be predicted.
    StoreError
        The store has no space for it.
    """
    source = find_import(settings, name)
    size, here = source.stat().st_size, staging / "import"
    shutil.rmtree(staging, ignore_errors=True)  # left by an interrupted attempt
    staging.mkdir(parents=True)
    try:
        linked = _link(source, here)
        used = catalog.slides_bytes()
        # After the link, for only now is it known whether the file takes space.
        require_space(settings, source.name, size, used=used, on_disk=not linked)
        digest = _read(source, None if linked else here, size, on_progress)
        return accept_slide(settings, catalog, here, source.name, digest, series=series)
    except SlideError as error:
        if error.alternatives is None:
            raise
        raise SlideError(
            error.problem, path=source, remedy="choose one on the Slides page"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or one without links
        return False
    return True


def _read(source: Path, copy: Path | None, size: int, on_progress: OnProgress) -> str:
    """Return the SHA-256 of a file; copy it at the same time if `copy` is given."""
    done = 0
    with copy.open("wb") if copy else nullcontext() as out:

        def take(piece: bytes) -> None:
            nonlocal done
            if out is not None:
                out.write(piece)
            done += len(piece)
            on_progress(Progress(done, size, "reading the file"))

        return sha256(source, on_piece=take)
