"""DICOM whole slides that OpenSlide does not read, through wsidicom."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.dicom_series import Instance, notes_on, read_series
from histospace_core.slides.readers.openslide import OpenSlideReader
from histospace_core.slides.readers.reader import Reader


def open_dicom(path: Path, series: str | None) -> Reader:
    """Open a DICOM series with OpenSlide where it reads all of it, or else with wsidicom.

    Raises
    ------
    SlideError
        See `read_series`; or there are several pyramids or optical paths.
    """
    import openslide

    name, instances = read_series(path, series)
    notes = tuple(notes_on(instances))
    if all(instance.is_plain for instance in instances):
        try:
            reader = OpenSlideReader(instances[0].path)
        except openslide.OpenSlideError:
            return WsidicomReader(path, instances, name, notes)
        reader.series, reader.notes = name, (*reader.notes, *notes)
        return reader
    return WsidicomReader(path, instances, name, notes)


class WsidicomReader:
    """A DICOM series with focal planes, sparse tiles, concatenations or less usual compression."""

    name: Literal["wsidicom"] = "wsidicom"
    vendor = "dicom"
    shared = False

    def __init__(
        self, path: Path, instances: list[Instance], series: str, notes: tuple[str, ...]
    ) -> None:
        from wsidicom import WsiDicom
        from wsidicom.config import Settings

        files = [instance.path for instance in instances]
        # Levels may have tiles of different sizes; wsidicom would leave such levels out.
        self._slide: Any = WsiDicom.open(files, settings=Settings(strict_tile_size_check=False))
        self.series = series
        try:
            pyramid = self._one_pyramid(path, instances)
        except BaseException:
            self.close()
            raise
        self._levels: list[Any] = list(pyramid)
        base = self._levels[0]
        self.size = self.level_size(0)
        spacing = base.pixel_spacing
        self.mpp: tuple[float, float] | None = (spacing.width * 1000, spacing.height * 1000)
        self.downsamples = tuple(
            (self.size[0] / level.size.width + self.size[1] / level.size.height) / 2
            for level in self._levels
        )
        planes = len(base.focal_planes)
        focus = (f"The middle one of its {planes} focal planes is read.",) if planes > 1 else ()
        self.notes = (*notes, *focus)
        self.icc_profile = _profile(base.default_instance.dataset.as_dataset())

    def _one_pyramid(self, path: Path, instances: list[Instance]) -> Any:
        """Return the only pyramid, once it is known to be whole and to have one optical path."""
        pyramids = list(self._slide.pyramids)
        if len(pyramids) > 1:
            raise SlideError(
                f"the series holds {len(pyramids)} image pyramids, and one is read at a time",
                path=path,
                remedy="put the files of each pyramid into a folder of its own",
            )
        for level in pyramids[0]:
            _refuse_two_images(level, path)
        base = pyramids[0][0]
        largest = max(instance.size for instance in instances)
        if (base.size.width, base.size.height) != largest:
            raise SlideError(
                f"its largest level ({largest[0]} x {largest[1]} px) cannot be read",
                path=path,
                remedy="export it in 8-bit colour, with JPEG or JPEG 2000",
            )
        if len(base.optical_paths) > 1:
            raise SlideError(
                f"the series holds {len(base.optical_paths)} optical paths, and a slide has one",
                path=path,
                remedy="export the bright-field path by itself",
            )
        if base.default_instance.dataset.samples_per_pixel != 3:
            raise SlideError(
                f"{base.default_instance.dataset.samples_per_pixel} channel(s) are not 8-bit "
                "colour",
                path=path,
                remedy="save the H&E scan as 8-bit RGB",
            )
        return pyramids[0]

    def read(self, level: int, x: int, y: int, w: int, h: int) -> Image.Image:
        source = self._levels[level]
        planes = sorted(source.focal_planes)
        pixels = self._slide.read_region(
            (x, y), source.level, (w, h), z=planes[len(planes) // 2], threads=1, as_array=True
        )
        return Image.fromarray(np.ascontiguousarray(pixels))

    def level_size(self, level: int) -> tuple[int, int]:
        size = self._levels[level].size
        return size.width, size.height

    def close(self) -> None:
        self._slide.close()


def _refuse_two_images(level: Any, path: Path) -> None:
    """Refuse a series with two images of one size, of which wsidicom would take one."""
    planes = [
        (instance.ext_depth_of_field, optical_path, z)
        for instance in level.instances.values()
        for optical_path in instance.optical_paths
        for z in instance.focal_planes
    ]
    if len(set(planes)) < len(planes):
        raise SlideError(
            f"the series holds several images of {level.size.width} x {level.size.height} px, and "
            "one is read at a time",
            path=path,
            remedy="put the files of each image into a folder of its own",
        )


def _profile(header: Any) -> bytes | None:
    paths = header.get("OpticalPathSequence") or []
    return next((bytes(path.ICCProfile) for path in paths if "ICCProfile" in path), None)
