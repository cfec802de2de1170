"""TIFF headers with wrong bytes: the pixels are those of a reference reader, or a sentence."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from histospace_core.errors import HistospaceError
from histospace_core.slides.formats import open_tiff
from histospace_core.slides.open import open_slide
from histospace_core.slides.tiff_tiles import openslide_agrees

Pixels = NDArray[np.uint8]

EXAMPLES = 8_000
SIDE = (300, 260)
RGB: dict[str, Any] = {"photometric": "rgb", "metadata": None}
TILED = {**RGB, "tile": (64, 64)}
OME = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


def _pyramid(file: Path, image: Pixels) -> None:
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(image, compression="jpeg", **TILED)
        tiff.write(image[::4, ::4], compression="jpeg", subfiletype=1, **TILED)


def _ome(file: Path, image: Pixels) -> None:
    with tifffile.TiffWriter(file, ome=True) as tiff:
        options = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate"}
        tiff.write(image, subifds=1, metadata=OME, **options)
        tiff.write(image[::2, ::2], subfiletype=1, **options)


def _planar(file: Path, image: Pixels) -> None:
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    tifffile.imwrite(file, planes, planarconfig="separate", **TILED)


WRITERS: dict[str, Callable[[Path, Pixels], None]] = {
    "jpeg": lambda f, a: tifffile.imwrite(f, a, compression="jpeg", **TILED),
    "lzw": lambda f, a: tifffile.imwrite(f, a, compression="lzw", **TILED),
    "big": lambda f, a: tifffile.imwrite(f, a, bigtiff=True, compression="jpeg", **TILED),
    "strips": lambda f, a: tifffile.imwrite(f, a, rowsperstrip=32, **RGB),
    "pyramid": _pyramid,
    "ome": _ome,
    "planar": _planar,
}


@pytest.fixture(scope="module")
def originals(folder: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 250, (SIDE[0] // 10, SIDE[1] // 10, 3), np.uint8)
    image = coarse.repeat(10, 0).repeat(10, 1)
    found = {}
    for name, write in WRITERS.items():
        write(folder / "original.tif", image)
        found[name] = (folder / "original.tif").read_bytes()
    return found


def entries(content: bytes) -> list[tuple[int, int]]:
    """Return offset and size of the directory entries of a little-endian TIFF."""
    big = content[2] == 43
    at = struct.unpack_from("<Q" if big else "<I", content, 8 if big else 4)[0]
    found = []
    while at:
        n = struct.unpack_from("<Q" if big else "<H", content, at)[0]
        first, size = at + (8 if big else 2), 20 if big else 12
        found += [(first + i * size, size) for i in range(n)]
        at = struct.unpack_from("<Q" if big else "<I", content, first + n * size)[0]
    return found


@dataclass(frozen=True)
class Mutation:
    """A change of a directory entry, of a byte anywhere, or of the length of a file.

    Attributes
    ----------
    where
        Place of the change, as a share of the entries or of the bytes.
    amount, delta
        A number that is written, and a number that is added.
    """

    kind: str
    where: float
    amount: int
    delta: int

    def of(self, content: bytes) -> bytes:
        changed = bytearray(content)
        byte = int(self.where * len(changed))
        if self.kind == "cut":
            return bytes(changed[: max(16, byte)])
        if self.kind == "byte":
            changed[byte] = self.amount & 0xFF
            return bytes(changed)
        places = entries(content)
        at, size = places[int(self.where * len(places))]
        width = (size - 4) // 2
        if self.kind == "tag":
            (code,) = struct.unpack_from("<H", changed, at)
            struct.pack_into("<H", changed, at, (code + self.delta) & 0xFFFF)
        elif self.kind == "type":
            struct.pack_into("<H", changed, at + 2, self.amount % 19)
        elif self.kind == "copy":
            other, _ = places[self.amount % len(places)]
            changed[at : at + size] = content[other : other + size]
        else:
            field = at + 4 + (width if self.kind == "value" else 0)
            old = int.from_bytes(changed[field : field + width], "little")
            new = (old + self.delta) % (1 << 8 * width)
            changed[field : field + width] = new.to_bytes(width, "little")
        return bytes(changed)


mutations = st.builds(
    Mutation,
    kind=st.sampled_from(["value", "value", "count", "type", "tag", "byte", "cut", "copy"]),
    where=st.floats(0, 0.999),
    amount=st.integers(0, 2**32 - 1),
    delta=st.sampled_from([1, -1, 2, 7, 64, 1000, 2**20]),
)


def ours(file: Path) -> Pixels | str:
    """Return the top left part as `open_slide` reads it, or the sentence."""
    try:
        with open_slide(file, icc=False) as slide:
            w, h = min(slide.width, 512), min(slide.height, 512)
            return slide.read(0, 0, w, h, w, h)
    except HistospaceError as error:
        return str(error)


def shown_as_stored(file: Path) -> bool:
    with open_tiff(file) as tiff:
        return openslide_agrees([tiff.pages.first])


def by_openslide(file: Path) -> Pixels | None:
    try:
        with openslide.OpenSlide(file) as slide:
            w, h = (min(side, 512) for side in slide.dimensions)
            region = slide.read_region((0, 0), 0, (w, h))
    except openslide.OpenSlideError:
        return None
    pixels = np.array(region)
    pixels[pixels[..., 3] == 0] = 255
    return pixels[..., :3]


def by_tifffile(file: Path) -> Pixels | None:
    try:
        with tifffile.TiffFile(file) as tiff:
            image = tiff.series[0].levels[0].asarray() if tiff.is_ome else tiff.pages[0].asarray()
    except Exception:
        return None
    if image.ndim != 3:
        return None
    if image.shape[0] == 3:
        image = image.transpose(1, 2, 0)
    return image[:512, :512]


def by_vips(file: Path) -> Pixels | None:
    try:
        image = pyvips.Image.tiffload(str(file), fail_on="truncated", revalidate=True)
        opaque = image.flatten(background=255) if image.bands == 4 else image
        return opaque.numpy()[:512, :512]
    except pyvips.Error:
        return None


def equal(got: Pixels, other: Pixels) -> bool:
    """Return whether two readings are equal; only we paint a missing tile white."""
    if got.shape != other.shape:
        return False
    differ = (got != other).any(axis=-1)
    return bool((got[differ] == 255).all() and (other[differ] == 0).all())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the reference readers
@settings(max_examples=EXAMPLES, derandomize=True)
@given(name=st.sampled_from(list(WRITERS)), mutation=mutations)
def test_headers(
    folder: Path,
    originals: dict[str, bytes],
    name: str,
    mutation: Mutation,
) -> None:
    file = folder / f"slide{'.ome' if name == 'ome' else ''}.tif"
    file.write_bytes(mutation.of(originals[name]))
    got = ours(file)
    if isinstance(got, str):
        assert "\n" not in got
        return
    reference = by_openslide(file)
    # OpenSlide does not know OME-TIFF, turns tiles one by one and shows three grey channels as one.
    if reference is not None and name != "ome" and shown_as_stored(file):
        np.testing.assert_array_equal(got, reference)
        return
    others = [read for read in (by_tifffile(file), by_vips(file)) if read is not None]
    same = any(equal(got, other) for other in others)
    assert same, f"{got.shape} differs from {[other.shape for other in others]}"


def test_the_originals_are_read(folder: Path, originals: dict[str, bytes]) -> None:
    """Otherwise the mutations would prove nothing."""
    for name, content in originals.items():
        file = folder / f"slide{'.ome' if name == 'ome' else ''}.tif"
        file.write_bytes(content)
        assert isinstance(ours(file), np.ndarray), ours(file)
