"""OME-Zarr through the zarr library, which reads only the chunks that a box touches."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from histospace_core.slides.ngff import Level, choose_image
from histospace_core.slides.zarr_store import open_store


class OmeZarrReader:
    """An image of an OME-Zarr or SpatialData store; chunks that were not written are fill value."""

    name: Literal["ome-zarr"] = "ome-zarr"
    vendor = "ome-zarr"
    shared = False
    icc_profile: bytes | None = None

    def __init__(self, path: Path, series: str | None = None) -> None:
        root = open_store(path)
        self._store = root.store
        try:
            self.series, image = choose_image(root, path, series)
        except BaseException:
            self.close()
            raise
        self._axes, self._order = image.axes, image.order
        self._levels = image.levels
        self.size = self.level_size(0)
        self.mpp = image.mpp
        self.notes = tuple(image.notes)
        self.downsamples = tuple(self._downsample(level) for level in self._levels)

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        array = self._levels[level].array
        spans = {"x": slice(x, x + w), "y": slice(y, y + h), "c": slice(None)}
        middle = {axis: array.shape[i] // 2 for i, axis in enumerate(self._axes)}
        part = np.asarray(array[tuple(spans.get(axis, middle[axis]) for axis in self._axes)])
        kept = [axis for axis in self._axes if axis in spans]
        pixels = part.transpose([kept.index(axis) for axis in "yxc"])[..., list(self._order)]
        return Image.fromarray(np.ascontiguousarray(pixels))

    def level_size(self, level: int) -> tuple[int, int]:
        return self._sides(self._levels[level])

    def close(self) -> None:
        self._store.close()

    def _sides(self, level: Level) -> tuple[int, int]:
        shape = level.array.shape
        return shape[self._axes.index("x")], shape[self._axes.index("y")]

    def _downsample(self, level: Level) -> float:
        """Return the ratio of the stated scales, or of the sizes where these contradict it."""
        first, sides = self._levels[0], self._sides(level)
        by_size = (self.size[0] / sides[0] + self.size[1] / sides[1]) / 2
        if first.scale and level.scale and min(first.scale) > 0:
            by_scale = level.scale[0] / first.scale[0]
            if all(abs(n / by_scale - m) <= 1 for n, m in zip(self.size, sides, strict=True)):
                return by_scale
        return by_size
