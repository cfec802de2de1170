"""The images of an OME-Zarr store, after its specification: ngff.openmicroscopy.org, 0.1 to 0.5.

Three layouts are known: one image, the numbered series of bioformats2raw, and a SpatialData store.
"""

import math
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zarr

from histospace_core.errors import SlideError
from histospace_core.slides.series import refuse_series
from histospace_core.slides.units import um_of
from histospace_core.slides.zarr_store import open_level

_FIRST_AXES = ("t", "c", "z", "y", "x")  # of versions before 0.3, which do not name them
_NOT_THE_SLIDE = re.compile(r"\b(label|macro|overview|thumbnail)\b", re.IGNORECASE)


@dataclass
class Level:
    """An array of the pyramid, and the size (x, y) of its pixels in the unit of the axes."""

    array: zarr.Array
    scale: tuple[float, float] | None


@dataclass
class NgffImage:
    """An image in 8-bit RGB.

    Attributes
    ----------
    axes : tuple of str
        One letter per dimension: t, c, z, y or x.
    levels : list of Level
        The largest first.
    mpp : (float, float) or None
        Pixel size (x, y) of the first level, um/px.
    order : tuple of int
        Channels that are red, green and blue.
    notes : list of str
    """

    axes: tuple[str, ...]
    levels: list[Level]
    mpp: tuple[float, float] | None
    order: tuple[int, int, int]
    notes: list[str] = field(default_factory=list)


def choose_image(root: zarr.Group, path: Path, series: str | None) -> tuple[str, NgffImage]:
    """Return the name and content of the one image of a store that is a slide.

    Raises
    ------
    SlideError
        There is none, or there are several and `series` names none of them.
    """
    found, left_out = _candidates(root, path)
    if found and series is not None:
        refuse_series(series, found, path)
        if len(found) > 1:
            return series, read_image(found[series], path)
    images: dict[str, NgffImage] = {}
    refused: dict[str, SlideError] = {}
    for name, group in found.items():
        try:
            images[name] = read_image(group, path)
        except SlideError as error:
            refused[name] = error
    if len(images) > 1:
        raise SlideError.several("series", images, path)
    if not images:
        raise next(iter(refused.values()), _no_image(path))
    ((name, image),) = images.items()
    for other in [*left_out, *refused]:
        image.notes.append(f"The file also holds the image {other[:60]!r}, which is not the slide.")
    return name if len(found) > 1 else "", image


def _no_image(path: Path) -> SlideError:
    return SlideError(
        "the zarr store holds no OME-Zarr image",
        path=path,
        remedy="give the folder that holds its multiscales metadata",
    )


def _facts(group: zarr.Group) -> dict[str, Any]:
    """Return the OME metadata of a group: since 0.5 they are under a key of their own."""
    attributes = dict(group.attrs)
    nested = attributes.get("ome")
    return nested if isinstance(nested, dict) else attributes


def _candidates(root: zarr.Group, path: Path) -> tuple[dict[str, zarr.Group], list[str]]:
    """Return the images by name, and the names of label and macro images."""
    facts = _facts(root)
    if "plate" in facts or "well" in facts:
        raise SlideError(
            "it is a plate of a high-content screen, not a slide",
            path=path,
            remedy="give one image of it, if that is an H&E slide",
        )
    if "image-label" in facts:
        raise SlideError("it is a mask of labels, not a slide.", path=path)
    if "multiscales" in facts:
        return {"0": root}, []
    if isinstance(root.get("images"), zarr.Group):  # SpatialData
        root = root["images"]  # type: ignore[assignment]
    found: dict[str, zarr.Group] = {}
    left_out = []
    with warnings.catch_warnings():  # zarr warns of folders such as OME, which holds XML
        warnings.simplefilter("ignore")
        groups = sorted(root.groups(), key=lambda item: (len(item[0]), item[0]))
    for name, group in groups:
        inner = _facts(group)
        if name in ("OME", "labels") or "multiscales" not in inner or "image-label" in inner:
            continue
        if _NOT_THE_SLIDE.search(_title(inner)):
            left_out.append(_title(inner))
        else:
            found[name] = group
    return found, left_out


def _title(facts: dict[str, Any]) -> str:
    scales = facts.get("multiscales")
    first = scales[0] if isinstance(scales, list) and scales else {}
    return str(first.get("name", "")) if isinstance(first, dict) else ""


def read_image(group: zarr.Group, path: Path) -> NgffImage:
    """Read the metadata of an image, and refuse anything but 8-bit RGB.

    Raises
    ------
    SlideError
    """
    facts = _facts(group)
    try:
        scales = facts["multiscales"]
        if len(scales) > 1:
            raise SlideError(
                f"its metadata describe {len(scales)} pyramids of one image",
                path=path,
                remedy="keep one of them",
            )
        axes, units = _axes(scales[0].get("axes"))
        entries = scales[0]["datasets"]
        arrays = [open_level(group, str(entry["path"]), path) for entry in entries]
        shared = _scales(scales[0], axes)
        stated = [[*_scales(entry, axes), *shared] for entry in entries]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise SlideError(
            f"its OME-Zarr metadata cannot be understood ({type(error).__name__}: {error})"[:200],
            path=path,
            remedy="export it again",
        ) from error
    if not arrays or arrays[0] is None:
        raise SlideError(
            "its first level, the full resolution, is missing",
            path=path,
            remedy="copy the whole folder again",
        )
    notes, levels = [], []
    for entry, array, scales_of_it in zip(entries, arrays, stated, strict=True):
        if array is None:
            notes.append(f"Its level {str(entry['path'])[:40]!r} is missing and left out.")
            continue
        _refuse_not_rgb(array, axes, path)
        levels.append(Level(array, _product(scales_of_it)))
    # The largest, whose pixel size counts, should come first, but need not.
    levels.sort(key=lambda level: _area(level, axes), reverse=True)
    mpp = _pixel_size(levels[0].scale, units, notes)
    planes = levels[0].array.shape[axes.index("z")] if "z" in axes else 1
    if planes > 1:
        notes.append(f"The middle one of its {planes} focal planes is read.")
    return NgffImage(axes, levels, mpp, _channel_order(facts), notes)


def _area(level: Level, axes: tuple[str, ...]) -> int:
    return int(level.array.shape[axes.index("x")] * level.array.shape[axes.index("y")])


def _axes(stated: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the letter of each axis, and the units by letter."""
    if stated is None:
        return _FIRST_AXES, {}
    named = [{"name": axis} if isinstance(axis, str) else axis for axis in stated]
    letters = tuple(str(axis["name"]).lower() for axis in named)
    if len(set(letters)) < len(letters) or not {"x", "y"} <= set(letters) <= set(_FIRST_AXES):
        raise ValueError(f"axes {', '.join(letters)[:40]}")
    units = {str(axis["name"]).lower(): str(axis["unit"]) for axis in named if axis.get("unit")}
    return letters, units


def _scales(entry: dict[str, Any], axes: tuple[str, ...]) -> list[tuple[float, float]]:
    """Return the scales (x, y) among the coordinate transformations of an entry."""
    found = []
    for transformation in entry.get("coordinateTransformations") or []:
        if transformation.get("type") == "scale" and "scale" in transformation:
            factors = [float(factor) for factor in transformation["scale"]]
            found.append((factors[axes.index("x")], factors[axes.index("y")]))
    return found


def _product(scales: list[tuple[float, float]]) -> tuple[float, float] | None:
    if not scales:
        return None
    return math.prod(x for x, _ in scales), math.prod(y for _, y in scales)


def _pixel_size(
    scale: tuple[float, float] | None, units: dict[str, str], notes: list[str]
) -> tuple[float, float] | None:
    if scale is None or (not units.keys() & {"x", "y"} and scale == (1, 1)):
        return None
    x, y = (um_of(units.get(axis, "")) for axis in "xy")
    if x is None or y is None:
        unit = units.get("x") or units.get("y")
        what = f"in {unit[:30]!r}, which is no length" if unit else "without a unit"
        notes.append(f"Its pixel size ({scale[0]:g}) is stated {what}, and is not used.")
        return None
    return scale[0] * x, scale[1] * y


def _refuse_not_rgb(array: zarr.Array, axes: tuple[str, ...], path: Path) -> None:
    sizes = dict(zip(axes, array.shape, strict=False))
    channels = sizes.get("c", 1)
    if len(axes) != array.ndim or min(array.shape) < 1:
        raise SlideError(
            f"its levels have {array.ndim} dimensions, but {len(axes)} axes are named",
            path=path,
            remedy="export it again",
        )
    if array.dtype != "uint8" or channels != 3:
        raise SlideError(
            f"{channels} channel(s) of {array.dtype} are not 8-bit colour",
            path=path,
            remedy="save the H&E scan as 8-bit RGB",
        )
    if sizes.get("t", 1) > 1:
        raise SlideError(
            f"it holds {sizes['t']} time points, and a slide has one",
            path=path,
            remedy="save one of them",
        )


def _channel_order(facts: dict[str, Any]) -> tuple[int, int, int]:
    """Return which channels are red, green and blue, by their names or else their colours."""
    omero = facts.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if isinstance(channels, list) and all(isinstance(c, dict) for c in channels):
        for key, wanted in (
            ("label", ("r", "g", "b")),
            ("label", ("red", "green", "blue")),
            ("color", ("ff0000", "00ff00", "0000ff")),
        ):
            stated = [str(channel.get(key, "")).lower().lstrip("#") for channel in channels]
            if sorted(stated) == sorted(wanted):
                red, green, blue = (stated.index(word) for word in wanted)
                return red, green, blue
    return 0, 1, 2
