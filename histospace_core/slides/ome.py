"""OME-XML: the images of an OME-TIFF, their pixel sizes, and the page of each plane."""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histospace_core.errors import SlideError
from histospace_core.slides.units import um_of

Plane = tuple[int, int, int]
"""Focal plane, channel and time point, each from 0."""

_MAX_PLANES = 100_000


@dataclass(frozen=True)
class OmeImage:
    """One `Image` of the OME-XML.

    Attributes
    ----------
    name : str
    size : tuple of int
        Width and height, px.
    counts : tuple of int
        Numbers of focal planes, of planes of channels (one plane may hold all samples of a pixel)
        and of time points.
    channels : tuple of str
        Names of the channels; "" where there is none.
    mpp : tuple of float or None
        Pixel size (x, y), um.
    note : str
        Why a pixel size that is stated is not taken; "" otherwise.
    pages : dict
        Page of the file of each plane, from 0; planes that are in other files are missing.
    """

    name: str
    size: tuple[int, int]
    counts: tuple[int, int, int]
    channels: tuple[str, ...]
    mpp: tuple[float, float] | None
    note: str
    pages: dict[Plane, int] = field(default_factory=dict)


def ome_images(
    xml: str, path: Path, pages: int, samples: Callable[[int], int] | None = None
) -> list[OmeImage]:
    """Return the images that the OME-XML of a file lists.

    Parameters
    ----------
    xml
    path
        The file; planes of other files are left out.
    pages
        Number of pages of the file.
    samples
        Returns the samples per pixel of a page, which the XML may omit or contradict.

    Raises
    ------
    SlideError
        The XML is broken, or declares entities, which could expand without end.
    """
    from xml.etree import ElementTree

    try:
        if re.search(r"<!\s*(DOCTYPE|ENTITY)", xml, re.IGNORECASE):
            raise ValueError("it declares a document type")  # noqa: TRY301
        root = ElementTree.fromstring(_without_html(xml))  # noqa: S314  (refused above)
        own = _own_file(root, path)
        images = [
            element
            for element in root
            if _tag(element) == "Image" and any(_tag(e) == "Pixels" for e in element)
        ]
        if len(images) == 1:
            _complete(images[0])
        return [_image(element, own, pages, samples) for element in images]
    except (ElementTree.ParseError, ValueError, KeyError, OverflowError) as error:
        raise SlideError(
            f"its OME-XML cannot be read ({' '.join(str(error).split())[:80]})",
            path=path,
            remedy="export it again as OME-TIFF",
        ) from error


def _without_html(xml: str) -> str:
    """Replace the entities of HTML that XML does not know, such as &micro;; programs write them."""
    return re.sub(
        r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z]+;", lambda found: html.unescape(found[0]), xml
    )


def _complete(image: Any) -> None:
    """Let the only image of a file have its planes in the order of the pages, if it says nothing.

    Programs that write the XML by hand leave the element out.
    """
    from xml.etree import ElementTree

    pixels = next(e for e in image if _tag(e) == "Pixels")
    if not any(_tag(e) in ("TiffData", "BinData", "MetadataOnly") for e in pixels):
        ElementTree.SubElement(pixels, "TiffData")


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _own_file(root: Any, path: Path) -> set[str]:
    """Return the UUIDs and file names by which the XML means this file."""
    uuids = [e for e in root.iter() if _tag(e) == "UUID"]
    own = {path.name, root.get("UUID", "")}
    own |= {(e.text or "").strip() for e in uuids if e.get("FileName") in own}
    names = {e.get("FileName") or (e.text or "").strip() for e in uuids}
    # The only file that is named, in a file of no other name, is this one before it was renamed.
    if len(names) == 1 and not root.get("UUID"):
        own |= names | {(e.text or "").strip() for e in uuids}
    return own - {""}


def _image(
    element: Any, own: set[str], pages: int, samples_of: Callable[[int], int] | None
) -> OmeImage:
    pixels = next(e for e in element if _tag(e) == "Pixels")
    listed = [e for e in pixels if _tag(e) == "Channel"]
    samples = int(listed[0].get("SamplesPerPixel", 1)) if listed else 1
    blocks = [(e, _is_here(e, own)) for e in pixels if _tag(e) == "TiffData"]
    first = next((int(e.get("IFD", 0)) for e, here in blocks if here), pages)
    if samples_of and 0 <= first < pages:
        samples = samples_of(first)
    z, c, t = (int(pixels.get(f"Size{axis}", 1)) for axis in "ZCT")
    counts = (z, max(1, c // max(1, samples)), t)
    if min(z, c, t) < 1 or z * c * t > _MAX_PLANES:
        raise ValueError("an impossible number of planes")
    mpp, note = _pixel_size(pixels)
    image = OmeImage(
        element.get("Name", ""),
        (int(pixels.attrib["SizeX"]), int(pixels.attrib["SizeY"])),
        counts,
        tuple(e.get("Name", "") for e in listed),
        mpp,
        note,
    )
    order = pixels.get("DimensionOrder", "XYZCT")[2:]
    if sorted(order) != ["C", "T", "Z"]:
        raise ValueError(f"an unknown order of planes, {order[:9]}")
    planes = list(_planes(order, counts))
    for data, here in blocks:
        z, c, t = (int(data.get(f"First{axis}", 0)) for axis in "ZCT")
        start = planes.index((z, c, t))  # ValueError where there is no such plane
        without = 1 if data.get("IFD") else -1
        count = int(data.get("PlaneCount", data.get("NumPlanes", without)))
        end = len(planes) if count < 0 else start + count
        if here:
            numbers = range(int(data.get("IFD", 0)), pages)
            image.pages.update(zip(planes[start:end], numbers, strict=False))
    return image


def _is_here(data: Any, own: set[str]) -> bool:
    file = next((e for e in data if _tag(e) == "UUID"), None)
    return file is None or bool({file.get("FileName"), (file.text or "").strip()} & own)


def _planes(order: str, counts: Plane) -> Iterator[Plane]:
    """Return all planes in the order of the pages; the first dimension of `order` runs fastest."""
    sizes = dict(zip("ZCT", counts, strict=True))
    for position in itertools.product(*(range(sizes[axis]) for axis in reversed(order))):
        at = dict(zip(reversed(order), position, strict=True))
        yield at["Z"], at["C"], at["T"]


def _pixel_size(pixels: Any) -> tuple[tuple[float, float] | None, str]:
    """Return the pixel size in um, and why one that is stated is not taken."""
    found: list[float] = []
    for axis in "XY":
        value = pixels.get(f"PhysicalSize{axis}")
        if value is None:
            return None, ""
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")  # the schema's default
        in_um = um_of(unit)
        if in_um is None:
            return None, f"The file states its pixel size in an unknown unit, '{unit[:20]}'."
        try:
            found.append(float(value) * in_um)
        except ValueError:
            return None, f"The file states a pixel size that is no number, '{value[:20]}'."
    return (found[0], found[1]), ""
