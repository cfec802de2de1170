"""OME-Zarr images, written with the zarr library after the specification of NGFF 0.4 and 0.5."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from PIL import Image

KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write_ome_zarr(
    folder: Path | Any,
    pixels: np.ndarray,
    *,
    axes: str = "cyx",
    version: str = "0.5",
    mpp: float = 0.69,
    unit: str | None = "micrometer",
    levels: int = 3,
    more: dict[str, Any] | None = None,
    **options: Any,
) -> zarr.Group:
    """Write RGB pixels (y, x, 3) as a pyramid; singleton dimensions are added for t and z."""
    v2 = version == "0.4"
    group = zarr.open_group(folder, mode="w", zarr_format=2 if v2 else 3)
    datasets = []
    for i in range(levels):
        small = np.asarray(Image.fromarray(pixels).reduce(2**i))
        full = small[None, None].transpose(0, 4, 1, 2, 3)  # t c z y x
        array = full.transpose(
            ["tczyx".index(axis) for axis in sorted(axes, key="tczyx".index)]
            + ["tczyx".index(axis) for axis in "tczyx" if axis not in axes]
        )
        array = array.reshape([n for n, _ in zip(array.shape, axes, strict=False)])
        array = array.transpose([sorted(axes, key="tczyx".index).index(axis) for axis in axes])
        chunks = tuple({"x": 256, "y": 256}.get(axis, 1) for axis in axes)
        names = {} if v2 else {"dimension_names": list(axes)}
        group.create_array(str(i), data=array, chunks=chunks, **names, **options)
        scale = [mpp * 2**i if axis in "xy" else 1.0 for axis in axes]
        datasets.append(
            {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    described = [{"name": axis, "type": KINDS[axis]} for axis in axes]
    for axis in described:
        if axis["type"] == "space" and unit:
            axis["unit"] = unit
    facts = {
        "multiscales": [
            {"version": version, "name": "slide", "axes": described, "datasets": datasets}
        ],
        **(more or {}),
    }
    group.attrs.update(facts if v2 else {"ome": {"version": version, **facts}})
    return group
