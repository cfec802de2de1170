"""Which of the images of a TIFF is the slide, and which of its pages are its pyramid."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histospace_core.errors import SlideError
from histospace_core.slides.ome import OmeImage, ome_images
from histospace_core.slides.series import refuse_series
from histospace_core.slides.tiff_levels import (
    REDUCED,
    are_alike,
    are_scaled,
    nth_of_each_size,
    size_of,
    with_subifds,
)
from histospace_core.slides.tiff_tiles import orientation, refuse_colours

MAX_PAGES = 1000
_ASIDE = re.compile(r"label|macro(?!ph)|overview|thumbnail|barcode|preview", re.IGNORECASE)
_SMALL = 1 / 8  # share of the largest image's pixels below which one without pyramid is an aside
_MASK = 4  # bit of the tag NewSubfileType
_COLOURS = ("red", "green", "blue")
TURNED = (
    "The file asks to be shown turned or mirrored (Orientation); its pixels are read as they are "
    "stored, and positions refer to these."
)


@dataclass(frozen=True)
class TiffImage:
    """The image of a TIFF that is read.

    Attributes
    ----------
    levels : list of list
        Pages of each level of the pyramid, the largest first: one page, or one of each channel.
    series : str
        Its name, where the file holds several; "" otherwise.
    number : int
        Its place among the images of its size, from 0.
    mpp : tuple of float or None
        Pixel size (x, y), um.
    notes : tuple of str
        What else the file holds.
    """

    levels: list[list[Any]]
    series: str
    number: int
    mpp: tuple[float, float] | None
    notes: tuple[str, ...]


def ome_xml(tiff: Any) -> str | None:
    """Return the OME-XML of an open TIFF, in whatever encoding it is."""
    page = tiff.pages.first
    text = str(page.description)
    if "ImageDescription" in page.tags and ("\0" in text or text[:2] in ("ÿþ", "þÿ") or not text):
        tag = page.tags["ImageDescription"]
        tiff.filehandle.seek(tag.valueoffset)
        raw = tiff.filehandle.read(min(tag.count, 1 << 24))
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = raw.decode("utf-16", "replace").rstrip("\0")
    return text if re.search(r"<(\w+:)?OME[\s>]", text[:2000]) else None


def ome_image(tiff: Any, xml: str, series: str | None, path: Path) -> TiffImage:
    """Choose the slide among the images of an OME-TIFF.

    Label, macro and overview images are never the slide. Of several focal planes the middle one is
    read, and of several time points the first.

    Raises
    ------
    SlideError
        Several images could be the slide and `series` names none, or the slide is not in 8-bit
        colour.
    """
    listed = ome_images(xml, path, len(tiff.pages), lambda i: tiff.pages[i].samplesperpixel)
    images = {i: image for i, image in enumerate(listed) if image.pages}
    if not images:
        raise SlideError(
            "its OME-XML names no image in this file",
            path=path,
            remedy="give the file that holds the pixels, or export it as one OME-TIFF",
        )
    pyramids = {i for i, im in images.items() if tiff.pages[next(iter(im.pages.values()))].subifds}
    aside = _aside({i: (m.name, m.size) for i, m in images.items()}, pyramids)
    aside |= _coarse(images, aside, pyramids)
    candidates = {i: image for i, image in images.items() if i not in aside}
    names = [image.name for image in candidates.values()]
    if len(set(names)) < len(names) or not all(names):
        names = [str(i) for i in candidates]
    chosen = _choose(series, list(zip(candidates, names, strict=True)), path)
    image = images[chosen]
    z, t = image.counts[0] // 2, 0
    planes = _channel_planes(image, z, t)
    first = [tiff.pages[image.pages[p]] for p in planes if p in image.pages]
    if len(first) < len(planes):
        raise SlideError(
            "planes of the image are in other files",
            path=path,
            remedy="export it as one OME-TIFF",
        )
    refuse_colours(first[0], first[0].samplesperpixel * len(first), path)
    notes = _ome_notes(image, z, [f"{i} ({images[i].name})" for i in sorted(aside)])
    notes += _turned(first[0])
    others = [name for i, name in zip(candidates, names, strict=True) if i != chosen]
    if others:
        notes.append(f"The file also holds the series {', '.join(others)}.")
    several = names[list(candidates).index(chosen)] if others else ""
    return TiffImage(with_subifds(first), several, 0, image.mpp, tuple(notes))


def plain_image(tiff: Any, series: str | None, path: Path) -> TiffImage:
    """Choose the slide among the pages of a TIFF.

    Pages of the first page's size are focal planes or further sections; the first is read unless
    `series` chooses another, as by OpenSlide.

    Raises
    ------
    SlideError
        There are images of different sizes that could be the slide, and `series` names none; or the
        slide is not in 8-bit colour.
    """
    pages = list(itertools.islice(tiff.pages, MAX_PAGES))
    if any(min(size_of(page)) < 1 for page in pages):
        raise SlideError(
            "an image in it states no size",
            path=path,
            remedy="the file is damaged or incomplete: export it again",
        )
    first = pages[0]
    aperio = bool(first.is_svs)
    full = [p for p in pages if p is first or _is_another(p, first, aperio)]
    small = [p for p in pages if p not in full and _is_level(p, first, aperio)]
    rest = [p for p in pages if p not in full and p not in small and not p.subfiletype & _MASK]
    sized = {p.index: (_title(p), size_of(p)) for p in [first, *rest]}
    aside = _aside(sized, {first.index}) | {p.index for p in rest if aperio or _is_copy(p, first)}
    aside -= {first.index}
    others = [p for p in rest if p.index not in aside]
    planes = [(p.index, str(n)) for n, p in enumerate(full)]
    candidates = planes + [(p.index, str(len(full) + n)) for n, p in enumerate(others)]
    given = "0" if series is None and not others else series
    chosen = _choose(given, candidates, path)
    page = pages[chosen]
    notes = []
    name = dict(candidates)[chosen]
    if len(full) > 1:
        which = "the first" if page is first else f"number {name}"
        notes.append(
            f"The file holds {len(full)} images of the same size (focal planes or sections), "
            f"{', '.join(n for _, n in planes)}; {which} is read, and --series chooses another."
        )
    elif others:
        notes.append(f"The file holds {len(candidates)} images; number {name} is read.")
    if (asides := sorted(aside)) and not aperio:  # OpenSlide knows what they are
        notes.append(f"Smaller images are not read: {_listed(pages, asides)}.")
    notes += _turned(page)
    number = full.index(page) if page in full else 0
    refuse_colours(page, page.samplesperpixel, path)
    levels = with_subifds([page])
    levels += [[p] for p in nth_of_each_size(small, number, full)] if page in full else []
    levels.sort(key=lambda level: -level[0].imagewidth)
    series_name = name if len(candidates) > 1 else ""
    _forget(pages, levels)
    return TiffImage(levels, series_name, number, _resolution(page), tuple(notes))


def _choose(series: str | None, candidates: list[tuple[int, str]], path: Path) -> int:
    """Return the number of the image that is read."""
    names = [name for _, name in candidates]
    if series is None:
        if len(candidates) > 1:
            raise SlideError.several("series", names, path)
        return candidates[0][0]
    for number, name in candidates:
        if name == series:
            return number
    by_number = {str(number): number for number, _ in candidates}
    if series in by_number:
        return by_number[series]
    refuse_series(series, names, path)
    return candidates[0][0]


def _aside(images: dict[int, tuple[str, tuple[int, int]]], pyramids: set[int]) -> set[int]:
    """Return the images that are a label, a macro image or the like, by name or by size."""
    largest = max(w * h for _, (w, h) in images.values())
    found = {
        i
        for i, (name, (w, h)) in images.items()
        if _ASIDE.search(name) or (i not in pyramids and w * h < _SMALL * largest)
    }
    return found if len(found) < len(images) else set()


def _coarse(images: dict[int, OmeImage], aside: set[int], pyramids: set[int]) -> set[int]:
    """Return the images that are smaller copies of another: a pyramid of separate images.

    One with a pyramid of its own is a scene, whatever its size.
    """
    kept = sorted((i for i in images if i not in aside), key=lambda i: -images[i].size[0])
    found = set()
    for large, small in itertools.combinations(kept, 2):
        scaled = are_scaled(images[large].size, images[small].size)
        if scaled and large not in found and small not in pyramids:
            found.add(small)
    return found


def _channel_planes(image: OmeImage, z: int, t: int) -> list[tuple[int, int, int]]:
    """Return the planes that hold the channels, red first where the channels are named so."""
    numbers = list(range(image.counts[1]))
    names = [name.strip().lower() for name in image.channels]
    if sorted(names) == sorted(_COLOURS) and len(names) == len(numbers):
        numbers = [names.index(colour) for colour in _COLOURS]
    return [(z, c, t) for c in numbers]


def _turned(page: Any) -> list[str]:
    return [TURNED] if orientation(page) != 1 else []


def _ome_notes(image: OmeImage, z: int, aside: list[str]) -> list[str]:
    notes = []
    if image.note:
        notes.append(image.note)
    if image.counts[0] > 1:
        notes.append(f"Of {image.counts[0]} focal planes, the middle one (number {z + 1}) is read.")
    if image.counts[2] > 1:
        notes.append(f"Of {image.counts[2]} time points, the first is read.")
    if aside:
        notes.append(f"Smaller images are not read: {', '.join(aside)}.")
    return notes


def _forget(pages: list[Any], levels: list[list[Any]]) -> None:
    """Drop the tile tables of the pages that are not read; each takes megabytes."""
    read = {page.offset for level in levels for page in level}
    for page in pages:
        if page.offset not in read:
            page.dataoffsets = page.databytecounts = ()


def _title(page: Any) -> str:
    return str(page.description)[:200]


def _is_another(page: Any, first: Any, aperio: bool) -> bool:
    """Return whether a page is a focal plane or section like the first; Aperio's are tiled."""
    alike = size_of(page) == size_of(first) and not page.subfiletype & (REDUCED | _MASK)
    return alike and (page.is_tiled or not aperio)


def _is_level(page: Any, first: Any, aperio: bool) -> bool:
    marked = aperio or page.subfiletype & REDUCED
    return bool(page.is_tiled and marked and are_alike(size_of(first), size_of(page)))


def _is_copy(page: Any, first: Any) -> bool:
    return bool(page.subfiletype & REDUCED) or are_scaled(size_of(first), size_of(page))


def _listed(pages: list[Any], numbers: list[int]) -> str:
    shown = [f"{pages[i].imagewidth} x {pages[i].imagelength} px" for i in numbers[:8]]
    return ", ".join(shown) + (", ..." if len(numbers) > len(shown) else "")


def _resolution(page: Any) -> tuple[float, float] | None:
    """Return the pixel size (x, y) in um by Aperio's description or the page's resolution."""
    if page.is_svs:
        stated = re.search(r"\|\s*MPP\s*=\s*(\d+(?:[.,]\d+)?)", str(page.description))
        mpp = float(stated[1].replace(",", ".")) if stated else None
        return (mpp, mpp) if mpp else None
    unit = {2: 25_400.0, 3: 10_000.0}.get(int(page.tags.valueof("ResolutionUnit", 0)))
    try:
        x, y = (n / d for n, d in (page.tags[f"{a}Resolution"].value for a in "XY"))
        return (unit / x, unit / y) if unit else None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
