"""Decode the JPEG tiles of a TIFF, and notice damaged ones.

The fast decoder keeps silent about damaged data and paints the rest grey, where OpenSlide fails. So
a stream that looks damaged is left to a stricter decoder: OpenSlide's own, or else that of libvips.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCAN = b"\xff\xda"
_END = b"\xff\xd9"
# Within a scan a byte 255 is followed by 0, or is a restart marker or padding.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ZEROS = bytes(16)  # of a part that was never written; a scan has such a run hardly ever


def decode_jpeg(
    data: bytes, tables: bytes | None, colours: str | None, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the pixels (h, w, channels) of a tile.

    Parameters
    ----------
    data
        The stream, which may lack the tables that all tiles share.
    tables
        The stream of these tables.
    colours
        "RGB" or "YCBCR" as the page states them, whatever the stream says; they become RGB. None
        leaves channels as they are.
    shape
        Height and width that the tile must have, px.

    Raises
    ------
    ValueError, RuntimeError
        The tile is no JPEG stream, or of another size.
    """
    import imagecodecs

    tile: NDArray[Any] = imagecodecs.jpeg_decode(
        data, tables=tables, colorspace=colours, outcolorspace="RGB" if colours else None
    )
    if tile.shape[:2] != shape or tile.dtype != np.uint8:
        raise ValueError(
            f"a JPEG tile is {tile.shape[1]} x {tile.shape[0]} px, not {shape[1]} x {shape[0]}"
        )
    return tile.reshape(*shape, -1)


def looks_whole(data: bytes) -> bool:
    """Return whether a stream has one scan that ends where the stream ends, without a gap.

    A few flipped bits are not noticed; the decoder, too, seldom does.
    """
    marker = _MARKER.search(data, data.find(_SCAN) + 2)
    return bool(
        marker
        and marker[0] == _END
        and not data[marker.end() :].strip(b"\0")
        and _ZEROS not in data[: marker.end()]
    )


def refuse_unfinished(data: bytes) -> None:
    """Refuse a stream that has no end but zeros, as a copy that was broken off leaves it.

    OpenSlide may show colours for the zeros.

    Raises
    ------
    ValueError
    """
    if data.endswith(_ZEROS) and not data.rstrip(b"\0").endswith(_END):
        raise ValueError("a JPEG tile ends in zeros")


def refuse_damaged(data: bytes, tables: bytes | None) -> None:
    """Decode a stream strictly; one without errors may be unusual, as progressive ones are.

    Raises
    ------
    pyvips.Error
        Damage shows before the last rows of blocks; libvips does not look behind them.
    """
    import pyvips

    if tables:  # both have a start, and the tables an end
        data = tables.removesuffix(_END) + data[2:]
    # `revalidate`: libvips knows a buffer by its address, which another one may have had.
    image = pyvips.Image.jpegload_buffer(data, fail_on="warning", revalidate=True)
    image.write_to_memory()
