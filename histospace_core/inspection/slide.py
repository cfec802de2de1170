"""Facts of a slide, and what the intake probe says about it."""

import re
from pathlib import Path
from typing import Any

from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.request import Request
from histospace_core.slides.content import dicom_instance, is_zarr
from histospace_core.slides.formats import sniff
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.probe import probe_slide
from histospace_core.slides.properties import SlideProperties

# where OpenSlide and our readers find the pixel size of a format
_ORIGINS = {
    "aperio": "MPP in the image description",
    "dicom": "PixelSpacing",
    "generic-tiff": "resolution tags",
    "hamamatsu": "resolution tags",
    "leica": "size in the SCN description",
    "mirax": "Slidedat.ini",
    "ome-tiff": "PhysicalSize in the OME-XML",
    "ome-zarr": "scale of the multiscales attribute",
    "philips": "DICOM_PIXEL_SPACING in the description",
    "trestle": "resolution tags",
    "ventana": "ScanRes in the description",
}
# kinds of metadata that may identify a patient, by the names of their fields
_PERSONAL = {
    "fields on patient, case or specimen": r"patient|accession|specimen|case|container",
    "barcode": r"barcode",
    "comment, description or title": r"comment|description|title|documentname",
    "name of the original file": r"filename",
    "dates and times": r"date|time",
    "names of people, places or machines": (
        r"user|operator|institution|artist|host|serial|scanscope"
    ),
    "EXIF": r"exif",
}


def describe_slide(request: Request, found: Inspection) -> None:
    """Open a slide as a prediction does, add its facts, and let the probe judge it."""
    path = request.path
    file = dicom_instance(path) if path.is_dir() and not is_zarr(path) else path
    if not is_zarr(path):
        withhold(*_metadata(file), found)
    with open_slide(path, series=request.series) as slide:
        _facts(slide, file, found)
    probe_slide(path, series=request.series)


def _facts(slide: Slide, file: Path, found: Inspection) -> None:
    known = slide.properties
    width, height, mpp = known.width, known.height, known.mpp
    extent = f" ({width * mpp / 1000:.2f} x {height * mpp / 1000:.2f} mm)" if mpp else ""
    found.add("size", f"{width:,} x {height:,} px{extent}", [width, height])
    sizes = [[round(width / down), round(height / down)] for down in known.level_downsamples]
    levels = ", ".join(f"{w:,} x {h:,}" for w, h in sizes)
    found.add("levels", f"{len(sizes)} ({levels} px)", sizes)
    _pixel_size(known, found)
    if known.series:
        found.add("series read", known.series)
    found.add("format", known.vendor)
    found.add("read by", known.reader)
    if compression := _compression(file, (width, height)):
        found.add("compression", compression)
    found.add("ICC profile", known.icc or "none embedded", known.icc)
    found.notes += known.notes


def _pixel_size(known: SlideProperties, found: Inspection) -> None:
    if known.mpp is not None:
        origin = _ORIGINS.get(known.vendor, "the file")
        found.add("pixel size", f"{known.mpp:.6g} um/px, from: {origin}", known.mpp)
    elif known.stated_mpp is not None:
        found.add("pixel size", f"absurd: the file states {known.stated_mpp:.4g} um/px", None)
        found.notes.append("The pixel size in the file is absurd: give --mpp to predict.")
    else:
        found.add("pixel size", "not stated", None)
        found.notes.append("The file does not state its pixel size: give --mpp to predict.")


def _compression(file: Path, size: tuple[int, int]) -> str:
    """Return the name of the compression of level 0; "" where it is not known."""
    if is_zarr(file):
        return ""
    kind = sniff(file)
    if kind == "tiff":
        import tifffile

        with tifffile.TiffFile(file) as tiff:
            for page in tiff.pages:
                whole: Any = page.aspage()
                if (whole.imagewidth, whole.imagelength) == size:
                    return str(whole.compression.name).lower()
    return {"png": "deflate (PNG)", "jpeg": "JPEG"}.get(kind or "", _transfer_syntax(file))


def _transfer_syntax(file: Path) -> str:
    import pydicom

    try:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        return str(header.file_meta.TransferSyntaxUID.name)
    except Exception:  # pydicom raises whatever a hostile header provokes
        return ""


def _metadata(file: Path) -> tuple[list[str], list[str]]:
    """Return the names of the fields that have a value, and of the images beside the slide."""
    fields: list[str] = []
    images: list[str] = []
    try:
        import openslide

        with openslide.OpenSlide(file) as slide:
            fields += [key for key, value in slide.properties.items() if value.strip()]
            images += slide.associated_images
    except Exception:  # other readers open what OpenSlide cannot
        images = []
    try:
        from PIL import Image

        with Image.open(file) as picture:
            fields += map(str, picture.info)
            fields += [_tag_name(tag) for tag in getattr(picture, "tag_v2", ())]
    except Exception:  # Pillow reads few formats
        return fields, images
    return fields, images


def _tag_name(tag: int) -> str:
    from PIL.TiffTags import lookup

    return str(lookup(tag).name)


def withhold(fields: list[str], images: list[str], found: Inspection) -> None:
    """List what may identify a patient, by kind and without its content."""
    found.withheld += [f"{name} image: present, not shown" for name in sorted(images)]
    for kind, pattern in _PERSONAL.items():
        if any(re.search(pattern, field, re.IGNORECASE) for field in fields):
            found.withheld.append(f"{kind}: present, not shown")
    found.withheld = list(dict.fromkeys(found.withheld))
