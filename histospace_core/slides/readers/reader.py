"""What every reader offers."""

from typing import Any, Literal, Protocol

from PIL import Image

ReaderName = Literal["openslide", "tifffile", "vips", "ome-zarr", "wsidicom"]


class Reader(Protocol):
    """A slide opened by one library; regions must lie within their level."""

    vendor: str
    size: tuple[int, int]
    mpp: tuple[float, float] | None
    series: str
    """Name of the image that is read, where the file holds several; "" otherwise."""
    notes: tuple[str, ...]
    """Sentences about what else the file holds and is not read."""
    icc_profile: bytes | None
    """The colour profile that is embedded for level 0; empty if it cannot be read."""
    shared: bool
    """Whether one handle serves all threads, because another would decode the whole file again."""

    @property
    def name(self) -> ReaderName: ...

    @property
    def downsamples(self) -> tuple[float, ...]: ...

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        """Return the RGB image of a box in px of `level`; raise whatever the library raises."""
        ...

    def level_size(self, level: int) -> tuple[int, int]:
        """Return width and height of a level, px."""
        ...

    def close(self) -> None: ...


def on_white(image: Image.Image) -> Image.Image:
    """Composite on white, so that areas that were not scanned look like empty glass."""
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def stated_mpp(properties: Any, prefix: str) -> tuple[float, float] | None:
    """Return the pixel size (x, y) in um that a library's properties state."""
    try:
        return float(properties[f"{prefix}.mpp-x"]), float(properties[f"{prefix}.mpp-y"])
    except (KeyError, TypeError, ValueError):
        return None
