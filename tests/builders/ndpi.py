"""Hamamatsu's NDPI: a TIFF whose offsets have 64 bits, and one JPEG stream for each page."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_SHORT, _LONG, _RATIONAL, _FLOAT, _SLONG = 3, 4, 5, 11, 9
MAGNIFICATION = 20.0


def write_ndpi(path: Path, planes: list[tuple[np.ndarray, int]]) -> Path:
    """Write pages of 0.5 um/px, each with its distance from the focus, nm."""
    content = bytearray(b"II*\0" + bytes(8))
    link = 4  # where the offset of the next directory belongs
    for pixels, offset_nm in planes:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=90, subsampling=0)
        data_at = len(content)
        content += stream.getvalue()
        resolution_at = len(content)
        content += struct.pack("<II", 20_000, 1)
        height, width = pixels.shape[:2]
        tags: list[tuple[int, int, Any]] = [
            (256, _LONG, width),
            (257, _LONG, height),
            (258, _SHORT, 8),
            (259, _SHORT, 7),
            (262, _SHORT, 6),
            (273, _LONG, data_at),
            (277, _SHORT, 3),
            (278, _LONG, height),
            (279, _LONG, len(stream.getvalue())),
            (282, _RATIONAL, resolution_at),
            (283, _RATIONAL, resolution_at),
            (296, _SHORT, 3),
            (65420, _LONG, 1),
            (65421, _FLOAT, MAGNIFICATION),
            (65422, _SLONG, 0),
            (65423, _SLONG, 0),
            (65424, _SLONG, offset_nm),
        ]
        struct.pack_into("<Q", content, link, len(content))
        content += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            form = {_FLOAT: "<f", _SLONG: "<i"}.get(kind, "<I")
            content += struct.pack("<HHI", tag, kind, 1) + struct.pack(form, value)
        link = len(content)
        content += bytes(8 + 4 * len(tags))  # the upper halves of all values follow
    path.write_bytes(content)
    return path
