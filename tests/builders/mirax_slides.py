"""MIRAX slides, written after the description of the format in OpenSlide's documentation."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

TILE = 256
_SLIDE = "0123456789ABCDEF0123456789ABCDEF"


def write_mirax(folder: Path, name: str, pixels: np.ndarray, mpp: float = 0.5) -> Path:
    """Write `name.mrxs` and its folder `name`, with one level of JPEG tiles.

    `pixels` has sides that are multiples of `TILE`.
    """
    data = folder / name
    data.mkdir(parents=True)
    file = folder / f"{name}.mrxs"
    Image.fromarray(pixels).resize((32, 32)).save(file, "JPEG")  # the preview
    rows, columns = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    tiles, entries = bytearray(b"01.02" + _SLIDE.encode()), []
    for y in range(rows):
        for x in range(columns):
            tile = BytesIO()
            box = pixels[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
            Image.fromarray(box).save(tile, "JPEG", quality=95)
            entries.append((y * columns + x, len(tiles), len(tile.getvalue()), 0))
            tiles += tile.getvalue()
    (data / "Data0000.dat").write_bytes(tiles)
    (data / "Index.dat").write_bytes(_index(entries))
    (data / "Slidedat.ini").write_text(_settings(columns, rows, mpp))
    return file


def _index(entries: list[tuple[int, int, int, int]]) -> bytes:
    """Return the index: two roots, then a table of one level, whose tiles fill one page."""
    head = b"01.02" + _SLIDE.encode()
    table = len(head) + 8
    level, page = table + 4, table + 12
    numbers = [table, table, level, 0, page, len(entries), 0]
    return head + struct.pack("<7i", *numbers) + b"".join(struct.pack("<4i", *e) for e in entries)


def _settings(columns: int, rows: int, mpp: float) -> str:
    return f"""[GENERAL]
SLIDE_ID = {_SLIDE}
IMAGENUMBER_X = {columns}
IMAGENUMBER_Y = {rows}
OBJECTIVE_MAGNIFICATION = 20
CameraImageDivisionsPerSide = 1
[HIERARCHICAL]
HIER_COUNT = 1
NONHIER_COUNT = 0
INDEXFILE = Index.dat
HIER_0_NAME = Slide zoom level
HIER_0_COUNT = 1
HIER_0_VAL_0_SECTION = LAYER_0_LEVEL_0_SECTION
[DATAFILE]
FILE_COUNT = 1
FILE_0 = Data0000.dat
[LAYER_0_LEVEL_0_SECTION]
OVERLAP_X = 0
OVERLAP_Y = 0
MICROMETER_PER_PIXEL_X = {mpp}
MICROMETER_PER_PIXEL_Y = {mpp}
IMAGE_FORMAT = JPEG
IMAGE_FILL_COLOR_BGR = 16777215
DIGITIZER_WIDTH = {TILE}
DIGITIZER_HEIGHT = {TILE}
IMAGE_CONCAT_FACTOR = 0
"""
