"""Unpack the slide of a zip archive: DICOM and MIRAX slides are several files."""

import shutil
from pathlib import Path

from histospace_core.archive import MAX_BYTES, unpack
from histospace_core.errors import SlideError
from histospace_core.slides.content import is_whole_slide_dicom

_FILES = {".svs", ".ndpi", ".tif", ".tiff", ".scn", ".bif", ".svslide", ".qptiff"}
_FILES |= {".vms", ".czi", ".vsi", ".isyntax"}  # not read, and refused by name
_PICTURES = {".png", ".jpg", ".jpeg"}
_SHOWN = 5


def unpack_slide(packed: Path, folder: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack the one slide of a zip into an existing folder, as `folder/slide…`.

    Other files of the zip, which may name a patient, are not kept.

    Parameters
    ----------
    packed
        A zip archive, of somebody else.
    folder
    max_bytes
        Most bytes that are unpacked.

    Returns
    -------
    What `open_slide` opens: a file, or the folder of a DICOM slide.

    Raises
    ------
    SlideError
        The archive is refused, or does not hold exactly one slide.
    """
    inside = folder / "unpacked"
    inside.mkdir()
    unpack(packed, inside, SlideError, max_bytes)
    found = _slides(inside)
    if not found:
        raise SlideError(
            "the zip holds no slide",
            path=packed,
            remedy="zip the folder of the DICOM files, or the MRXS file together with its folder",
        )
    if len(found) > 1:
        names = ", ".join(_name(p, inside) for p in found[:_SHOWN])
        more = ", ..." if len(found) > _SHOWN else ""
        raise SlideError(
            f"the zip holds {len(found)} slides ({names}{more}), and one is read at a time",
            path=packed,
            remedy="zip each by itself",
        )
    slide = _move(found[0], folder, packed)
    shutil.rmtree(inside)
    return slide


def _slides(inside: Path) -> list[Path]:
    """Return the slides of a folder and of those within; pictures only if there is nothing else.

    A slide in DICOM or MIRAX often comes with a picture of its label or a preview.
    """
    files = sorted(p for p in inside.rglob("*") if p.is_file())
    mirax = [p for p in files if p.suffix.lower() == ".mrxs"]
    of_mirax = {p.with_suffix("") for p in mirax}
    others = [p for p in files if p not in mirax and not of_mirax.intersection(p.parents)]
    dicom = list(dict.fromkeys(p.parent for p in others if is_whole_slide_dicom(p)))
    single = [p for p in others if p.suffix.lower() in _FILES]
    found = [*dicom, *mirax, *single]
    return found or [p for p in others if p.suffix.lower() in _PICTURES]


def _move(slide: Path, folder: Path, packed: Path) -> Path:
    """Move a slide into a folder, under a name that says nothing about it."""
    if slide.is_dir():
        target = folder / "slide"
        target.mkdir()
        for file in slide.iterdir():
            if file.is_file() and is_whole_slide_dicom(file):
                file.rename(target / file.name)
        return target
    if slide.suffix.lower() == ".mrxs":
        data = slide.with_suffix("")
        if not data.is_dir():
            raise SlideError(
                f"the zip holds {slide.name[:80]} without its folder {data.name[:80]}",
                path=packed,
                remedy="zip the file together with that folder",
            )
        data.rename(folder / "slide")
    if slide.suffix.lower() == ".vms":
        raise SlideError(
            "the zip holds a Hamamatsu VMS slide, which is not read from a zip",
            path=packed,
            remedy="convert it to a pyramidal TIFF",
        )
    return slide.rename(folder / f"slide{slide.suffix.lower()}")


def _name(slide: Path, inside: Path) -> str:
    return slide.relative_to(inside).as_posix()[:80] if slide != inside else "DICOM files"
