"""TIFF files of every form that slides come in, each with its true pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from builders.slide_files import make_slide
from numpy.typing import NDArray
from PIL import Image

TILE = 256
SIZE = (700, 620)
RGB = NDArray[np.uint8]
APERIO = "Aperio Image Library v11.2.1 \r\n700x620 (256x256) JPEG/RGB Q=90|AppMag = 20|MPP = 0.4990"
_MPP = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
_HALF_UM = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
_TILED: dict[str, Any] = {"tile": (TILE, TILE), "photometric": "rgb"}
_JPEG: dict[str, Any] = {**_TILED, "compression": "jpeg"}


@dataclass(frozen=True)
class Sample:
    """A file of the corpus.

    Attributes
    ----------
    path : Path
    truth : uint8 RGB (h, w, 3)
        What a viewer that reads the right image shows at full resolution.
    lossless : bool
    """

    path: Path
    truth: RGB
    lossless: bool


def build(folder: Path) -> list[Sample]:
    """Write the corpus to a folder."""
    slide = np.asarray(Image.open(make_slide(folder / "slide.png", 700)).convert("RGB"))
    a = np.ascontiguousarray(slide[: SIZE[1], : SIZE[0]])
    b = np.ascontiguousarray(a[:, ::-1])
    holes = a.copy()
    holes[:TILE, :TILE] = 255
    holes[TILE : 2 * TILE, 2 * TILE :] = 255
    samples: list[Sample] = [Sample(folder / "slide.png", slide, True)]

    def add(name: str, truth: RGB, lossless: bool, write: Callable[[Path], object]) -> None:
        write(folder / name)
        samples.append(Sample(folder / name, truth, lossless))

    for codec in (None, "lzw", "deflate", "zstd", "packbits", "lzma", "webp", "jpeg2000", "jpegxl"):
        name = f"{codec or 'uncompressed'}.tif"
        add(name, a, True, lambda p, c=codec: _plain(p, a, compression=c))
    add("predictor.tif", a, True, lambda p: _plain(p, a, compression="lzw", predictor=True))
    add("big_endian.tif", a, True, lambda p: tifffile.imwrite(p, a, byteorder=">", **_TILED))
    add("bigtiff.tif", a, False, lambda p: tifffile.imwrite(p, a, bigtiff=True, **_JPEG))
    add("striped.tif", a, True, lambda p: tifffile.imwrite(p, a, photometric="rgb"))
    for sub in ((1, 1), (2, 1), (2, 2)):
        name = f"jpeg_{sub[0]}{sub[1]}.tif"
        add(name, a, False, lambda p, s=sub: tifffile.imwrite(p, a, subsampling=s, **_JPEG))
    stored = {"level": 90, "outcolorspace": "rgb"}
    as_rgb = {"compressionargs": stored, "description": APERIO, "metadata": None}
    add("jpeg_rgb.svs", a, False, lambda p: tifffile.imwrite(p, a, **as_rgb, **_JPEG))
    add("two_pages.tif", a, False, lambda p: _pages(p, [(a, 0), (b, 0)]))
    add("two_pages_lossless.tif", a, True, lambda p: _pages(p, [(a, 0), (b, 0)], None))
    levels = [(a, 0), (b, 0), (_half(a), 1), (_half(b), 1)]
    add("pyramid_of_two.tif", a, False, lambda p: _pages(p, levels))
    add("z_stack.svs", a, False, lambda p: _pages(p, levels, description=APERIO))
    apart = [levels[i] for i in (0, 2, 1, 3)]
    add("z_stack_apart.svs", a, False, lambda p: _pages(p, apart, description=APERIO))
    add("sparse.tif", holes, True, lambda p: _sparse(p, a, **_TILED))
    add("sparse_jpeg.tif", holes, False, lambda p: _sparse(p, a, **_JPEG))
    ome = {"metadata": {"axes": "YXS", **_MPP}}
    add("sparse.ome.tif", holes, True, lambda p: _sparse(p, a, **_TILED, **ome))
    add("sparse_jpeg.ome.tif", holes, False, lambda p: _sparse(p, a, **_JPEG, **ome))
    planes = np.ascontiguousarray(a.transpose(2, 0, 1))
    split = {**_TILED, "planarconfig": "separate"}
    add("planar.tif", a, True, lambda p: tifffile.imwrite(p, planes, **split))
    by_channel = {"axes": "SYX", **_MPP}
    deflated = {"compression": "deflate", **split}
    planar = {**deflated, "metadata": by_channel}
    add("planar.ome.tif", a, True, lambda p: tifffile.imwrite(p, planes, **planar))
    grey = {"photometric": "minisblack", "tile": (TILE, TILE)}
    cyx = {"metadata": {"axes": "CYX", **_MPP}, **grey}
    add("channels.ome.tif", a, True, lambda p: tifffile.imwrite(p, planes, **cyx))
    cut = np.dstack([a, np.full(a.shape[:2], 255, np.uint8)])
    cut[:200, :300, 3] = 0
    white = a.copy()
    white[:200, :300] = 255
    alpha = {"extrasamples": ("unassalpha",), **_TILED}
    add("alpha.tif", white, True, lambda p: tifffile.imwrite(p, cut, **alpha))
    add("alpha.ome.tif", white, True, lambda p: tifffile.imwrite(p, cut, **alpha, **ome))
    turned = {"compression": "lzw", "extratags": [(274, 3, 1, 6, True)]}
    add("turned.tif", a, True, lambda p: tifffile.imwrite(p, a, **turned, **_TILED))
    grey_3 = {"planarconfig": "contig", **grey}
    add("channels.tif", a, True, lambda p: tifffile.imwrite(p, a, **grey_3))
    add("sub_images.tif", a, True, lambda p: _sub_images(p, a))
    strips = {"photometric": "rgb", "rowsperstrip": 64}
    add("striped_zstd.tif", a, True, lambda p: tifffile.imwrite(p, a, compression="zstd", **strips))
    gap = a.copy()
    gap[:64] = gap[320:384] = 255
    add("striped_sparse.tif", gap, True, lambda p: _sparse(p, a, **strips))
    either = {"extrasamples": ("unspecified",)}
    laid = np.dstack([a // 2, np.full(a.shape[:2], 200, np.uint8)])
    over = np.minimum(a // 2 + 55, 255).astype(np.uint8)
    add("alpha_or_not.tif", over, False, lambda p: tifffile.imwrite(p, laid, **either, **_TILED))
    form = {**either, **strips}
    add("striped_alpha.tif", over, False, lambda p: tifffile.imwrite(p, laid, **form))
    add("jpeg.ome.tif", a, False, lambda p: _ome(p, [("", a)], **_JPEG))
    macro = ("macro", _half(_half(b)))
    add("macro_first.ome.tif", a, True, lambda p: _ome(p, [macro, ("scan", a)], **_TILED))
    stack = {"metadata": {"axes": "ZYXS", **_MPP}, **_TILED}
    focal = np.stack([b, a, b])
    add("focal_planes.ome.tif", a, True, lambda p: tifffile.imwrite(p, focal, **stack))
    return samples


def _half(pixels: RGB) -> RGB:
    return np.asarray(Image.fromarray(pixels).reduce(2))


def _plain(path: Path, pixels: RGB, **options: Any) -> None:
    tifffile.imwrite(path, pixels, **_HALF_UM, **_TILED, **options)


def _pages(
    path: Path, pages: list[tuple[RGB, int]], compression: str | None = "jpeg", **options: Any
) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for pixels, kind in pages:
            form = {"compression": compression, "subfiletype": kind, "metadata": None}
            tiff.write(pixels, **form, **_TILED, **options)


def _ome(path: Path, images: list[tuple[str, RGB]], **options: Any) -> None:
    """Write images with a pyramid of two levels each but the macro image."""
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, pixels in images:
            levels = 0 if name == "macro" else 1
            metadata = {"axes": "YXS", "Name": name or "scan", **_MPP}
            tiff.write(pixels, subifds=levels, metadata=metadata, **options)
            if levels:
                tiff.write(_half(pixels), subfiletype=1, **options)


def _sub_images(path: Path, pixels: RGB) -> None:
    """Write a pyramid as libvips does with `--subifd`."""
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, subifds=1, metadata=None, **_TILED)
        tiff.write(_half(pixels), subfiletype=1, metadata=None, **_TILED)


def _sparse(path: Path, pixels: RGB, **options: Any) -> None:
    """Write a TIFF, and take the first and the sixth tile or strip away."""
    tifffile.imwrite(path, pixels, **options)
    with tifffile.TiffFile(path) as tiff:
        kind = "Tile" if tiff.pages.first.is_tiled else "Strip"
        tags = [tiff.pages.first.tags[kind + name] for name in ("Offsets", "ByteCounts")]
        where = [(tag.valueoffset, {3: 2, 4: 4, 16: 8}[int(tag.dtype)]) for tag in tags]
    content = bytearray(path.read_bytes())
    for start, size in where:
        for number in (0, 5):
            content[start + number * size : start + (number + 1) * size] = bytes(size)
    path.write_bytes(content)
