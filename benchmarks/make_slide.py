"""Make a big slide for tests: a pyramidal tiled TIFF of tissue texture on glass.

    python benchmarks/make_slide.py OUT.tif [--side 20480] [--mpp 0.69] [--tissue 0.34]
        [--image H&E.jpg] [--seed 0]

The texture is drawn, or copied pixel for pixel from an image, and repeated without a seam
over pieces of tissue that cover the given share of the slide. Tiles that are all tissue or all
glass are compressed once and written many times, so a slide of 100,000 px a side takes seconds;
a reader still decodes every tile. Tiles at the edge of the tissue are composed one by one.
"""

import argparse
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from histospace_core.sample.histology import lay_out
from histospace_core.sample.painting import paint

RGB = NDArray[np.uint8]

TILE = 256
FIELD = 2048
"""Side of the texture before it is mirrored, px."""
CELLS = 1024
"""Cells of the tissue's outline along a side of the slide."""
GLASS = 243
QUALITY = 80
LEVELS = (1, 4, 16, 64)


def make_texture(image: Path | None, seed: int) -> RGB:
    """Return a texture that repeats without a seam: a field and its mirror images."""
    if image is None:
        rng = np.random.default_rng(seed)
        field = paint(rng, lay_out(rng, (2 * FIELD, 2 * FIELD)))
    else:
        with Image.open(image) as opened:
            field = np.asarray(opened.convert("RGB"))
    y, x = (max(0, (n - FIELD) // 2) for n in field.shape[:2])
    field = field[y : y + FIELD, x : x + FIELD]
    field = np.pad(field, [(0, FIELD - n) for n in field.shape[:2]] + [(0, 0)], mode="symmetric")
    wide = np.concatenate([field, field[:, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]])


def make_outline(share: float, seed: int) -> NDArray[np.bool_]:
    """Return the tissue mask, (CELLS, CELLS): smooth pieces that cover `share` of the slide."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(CELLS, CELLS)), CELLS / 12)
    y, x = np.mgrid[-1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j]
    height = noise / noise.std() - 4 * np.maximum(abs(x), abs(y)) ** 6  # glass at the edge
    return height > np.quantile(height, 1 - share)


def level_tiles(texture: RGB, outline: NDArray[np.bool_], side: int) -> Iterator[bytes]:
    """Yield the JPEG tiles of a level of the pyramid, `side` px wide, row by row."""
    n = -(-side // TILE)
    cell = (np.arange(n * TILE) * CELLS // side).clip(max=CELLS - 1)
    period = len(texture)

    @cache
    def whole(row: int, column: int) -> bytes:
        return compress(texture[np.ix_(place(row), place(column))])

    def place(i: int) -> NDArray[np.int64]:
        return (i * TILE + np.arange(TILE)) % period

    empty = compress(np.full((TILE, TILE, 3), GLASS, np.uint8))
    repeat = max(1, period // TILE)
    for row in range(n):
        rows = cell[row * TILE : (row + 1) * TILE]
        for column in range(n):
            columns = cell[column * TILE : (column + 1) * TILE]
            tissue = outline[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            if tissue.all():
                yield whole(row % repeat, column % repeat)
            elif tissue.any():
                pixels = texture[np.ix_(place(row), place(column))]
                yield compress(np.where(outline[np.ix_(rows, columns)][..., None], pixels, GLASS))
            else:
                yield empty


def compress(tile: RGB) -> bytes:
    """Return the tile as JPEG with chroma at half the resolution, as scanners write it."""
    encoded = imagecodecs.jpeg8_encode(
        tile.astype(np.uint8), QUALITY, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
    )
    return bytes(encoded)


def make_slide(
    path: Path,
    side: int = 20_480,
    *,
    mpp: float = 0.69,
    tissue: float = 0.34,
    image: Path | None = None,
    seed: int = 0,
) -> Path:
    """Write the slide.

    Parameters
    ----------
    path
        New file. It is a BigTIFF at any size.
    side
        Width and height, px.
    mpp
        Pixel size that the file states, um/px.
    tissue
        Share of the slide that tissue covers.
    image
        H&E image that gives the texture; None draws one.
    """
    texture, outline = make_texture(image, seed), make_outline(tissue, seed)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level, down in enumerate(LEVELS):
            here = Image.fromarray(texture).reduce(down)
            tiff.write(
                level_tiles(np.asarray(here), outline, side // down),
                shape=(side // down, side // down, 3),
                dtype=np.uint8,
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                tile=(TILE, TILE),
                subfiletype=1 if level else 0,
                resolution=(1e4 / (mpp * down), 1e4 / (mpp * down)),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=20_480)
    parser.add_argument("--mpp", type=float, default=0.69)
    parser.add_argument("--tissue", type=float, default=0.34)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    make_slide(
        asked.out,
        asked.side,
        mpp=asked.mpp,
        tissue=asked.tissue,
        image=asked.image,
        seed=asked.seed,
    )


if __name__ == "__main__":
    main()
