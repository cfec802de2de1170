from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders.dicom_slides import write_slide
from builders.ome_zarr import write_ome_zarr
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.open import open_slide

PIXELS = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)


def write(folder: Path, kind: str) -> Path:
    """Write a slide of one image."""
    path = folder / kind
    if kind == "dicom":
        write_slide(path, PIXELS)
    elif kind == "a.zarr":
        write_ome_zarr(path, PIXELS)
    elif kind in ("a.png", "a.jpg"):
        Image.fromarray(PIXELS).save(path)
    elif kind == "a.ome.tif":
        tifffile.imwrite(path, PIXELS, photometric="rgb", tile=(256, 256), ome=True)
    else:
        tile = (256, 256) if kind == "tiled.tif" else None
        tifffile.imwrite(path, PIXELS, photometric="rgb", tile=tile)
    return path


@pytest.mark.parametrize(
    "kind", ["a.png", "a.jpg", "flat.tif", "tiled.tif", "a.ome.tif", "a.zarr", "dicom"]
)
def test_a_slide_of_one_image_offers_no_choice(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    with open_slide(path) as slide, open_slide(path, series="0") as named:
        assert slide.properties.series == named.properties.series == ""
        found = named.read(0, 0, 512, 512, 512, 512)
        assert np.array_equal(found, slide.read(0, 0, 512, 512, 512, 512))
    with pytest.raises(
        SlideError, match=f"{kind}: holds one image, and no series '3'; leave out --series"
    ):
        open_slide(path, series="3")
