"""Add sample sections, with their measured expression, to the catalog."""

import shutil
from pathlib import Path

from histospace_core.catalog import SlideRow, new_id
from histospace_core.catalog.intake import accept_slide
from histospace_core.files import sha256
from histospace_core.progress import OnProgress, no_progress
from histospace_core.server.context import Context


def add_phantom(context: Context) -> SlideRow:
    """Generate the synthetic section (no network needed), or return the existing one."""
    from histospace_core.sample import make_phantom

    phantom = make_phantom(context.settings.store / "samples" / "phantom")
    # The OME-TIFF states its own pixel size.
    return _add(context, phantom.image, phantom.counts, phantom.spots, mpp=None)


def add_her2st(context: Context, section: str, on_progress: OnProgress = no_progress) -> SlideRow:
    """Download a section of the public her2st data, whose hashes are pinned.

    Raises
    ------
    HistospaceError
        There is no network, or a file differs from its pinned hash.
    """
    from histospace_core.public_cohorts.her2st import fetch_section

    folder = context.settings.store / "samples" / "her2st"
    real = fetch_section(section, folder, context.settings.her2st_url, on_progress)
    files = (folder / path for path in (real.image, real.counts, real.spots))
    return _add(context, *files, mpp=real.mpp)


def _add(
    context: Context, image: Path, counts: Path, spots: Path, *, mpp: float | None
) -> SlideRow:
    """Add a copy of the files; the originals stay, so that a deleted sample is quickly restored."""
    settings, catalog = context.settings, context.catalog
    settings.uploads_dir.mkdir(parents=True, exist_ok=True)
    copy = settings.uploads_dir / f"{new_id()}.sample"
    try:
        shutil.copyfile(image, copy)
        digest = sha256(copy)
        slide = accept_slide(settings, catalog, copy, image.name, digest, mpp=mpp, is_sample=True)
    finally:
        copy.unlink(missing_ok=True)
    if slide.counts_path is None:  # a known slide may have its measured expression
        attached = [Path(shutil.copy(source, slide.file.parent)) for source in (counts, spots)]
        slide = catalog.attach_measured(slide.id, attached[0], attached[1])
    return slide
