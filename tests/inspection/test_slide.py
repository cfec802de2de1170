"""Facts of a slide, checked against the libraries that wrote or read it."""

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
import zarr
from builders.slide_files import make_slide
from PIL import Image

from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.recognise import recognise
from histospace_core.inspection.request import Request
from histospace_core.inspection.slide import describe_slide, withhold


def test_a_pyramid_states_where_its_pixel_size_is(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=1024)))
    path = tmp_path / "a.tif"
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "deflate"}
    with tifffile.TiffWriter(path) as tiff:
        for step in (1, 2, 4):
            kind = 0 if step == 1 else 1
            size = (20000 / step, 20000 / step)
            unit = {"resolution": size, "resolutionunit": "CENTIMETER", "subfiletype": kind}
            tiff.write(pixels[::step, ::step], metadata=None, **options, **unit)
    found = Inspection("a.tif", "slide")
    describe_slide(Request(path), found)
    facts = found.to_json()["facts"]
    with openslide.OpenSlide(path) as reference:
        assert facts["levels"] == [list(size) for size in reference.level_dimensions]
        assert facts["pixel size"] == float(reference.properties["openslide.mpp-x"])
    assert "deflate" in facts["compression"]
    texts = {fact.name: fact.text for fact in found.facts}
    assert texts["pixel size"] == "0.5 um/px, from: resolution tags"
    assert texts["size"] == "1,024 x 1,024 px (0.51 x 0.51 mm)"


def test_what_may_identify_a_patient_is_withheld() -> None:
    found = Inspection("a.svs", "slide")
    fields = ["dicom.PatientID", "aperio.Barcode", "aperio.AppMag", "tiff.DateTime"]
    withhold(fields, ["macro", "label"], found)
    assert found.withheld == [
        "label image: present, not shown",
        "macro image: present, not shown",
        "fields on patient, case or specimen: present, not shown",
        "barcode: present, not shown",
        "dates and times: present, not shown",
    ]


def test_no_value_of_metadata_is_shown(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=512)))
    description = (
        "Aperio Image Library v11.2.1 \r\n512x512 (256x256) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990"
        "|User = Jane Doe|Barcode = 12345678|Title = 1950"
    )
    path = tmp_path / "a.svs"
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg"}
    tifffile.imwrite(path, pixels, description=description, metadata=None, **options)
    found = Inspection("a.svs", "slide")
    describe_slide(Request(path), found)
    text = found.text()
    assert found.to_json()["facts"]["pixel size"] == pytest.approx(0.499)
    assert "MPP in the image description" in text
    assert "barcode: present, not shown" in text
    assert not any(secret in text for secret in ("Jane", "12345678", "1950"))


@pytest.mark.shared
def test_label_and_macro_images_are_named(shared: Path) -> None:
    found = Inspection("CMU-1", "slide")
    describe_slide(Request(shared / "slides/CMU-1-Small-Region.svs"), found)
    assert {"label image: present, not shown", "macro image: present, not shown"} <= set(
        found.withheld
    )
    assert found.to_json()["facts"]["compression"] == "jpeg"


def test_ome_zarr(tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(make_slide(tmp_path / "a.png", side=512)))
    path = tmp_path / "a.zarr"
    root = zarr.open_group(path, mode="w", zarr_format=2)
    array = root.create_array("0", shape=(3, 512, 512), chunks=(3, 256, 256), dtype="uint8")
    array[:] = pixels.transpose(2, 0, 1)
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    root.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    found = Inspection("a.zarr", "slide")
    describe_slide(Request(path), found)
    texts = {fact.name: fact.text for fact in found.facts}
    assert recognise(path) == "slide"
    assert texts["pixel size"] == "0.5 um/px, from: scale of the multiscales attribute"
    assert texts["levels"] == "1 (512 x 512 px)"
