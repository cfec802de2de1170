from pathlib import Path

import pytest

from histospace_core.errors import SlideError
from histospace_core.slides.ome import OmeImage, ome_images

PATH = Path("a.ome.tif")


def pixels(attributes: str = "", inside: str = '<TiffData IFD="0"/>') -> str:
    return (
        '<Pixels SizeX="10" SizeY="8" SizeC="3" SizeZ="1" SizeT="1" DimensionOrder="XYCZT" '
        f'{attributes}><Channel SamplesPerPixel="3"/>{inside}</Pixels>'
    )


def first(xml: str, pages: int = 1) -> OmeImage:
    return ome_images(f"<OME><Image>{xml}</Image></OME>", PATH, pages)[0]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("0.5", "µm"),
        ("0.5", "μm"),
        ("0.5", "&#181;m"),
        ("0.5", "&#xB5;m"),
        ("0.5", "&micro;m"),
        ("0.5", "&mu;m"),
        ("0.5", "um"),
        ("0.5", "Micrometer"),
        ("0.5", "micron"),
        ("500", "nm"),
        ("0.0005", "mm"),
        ("5e-5", "cm"),
        ("5e-7", "m"),
        ("5000", "Å"),
        ("5000", "\u212b"),
        ("1.968503937e-05", "in"),
        ("0.001417323", "pt"),
    ],
)
def test_units(value: str, unit: str) -> None:
    x = f'PhysicalSizeX="{value}" PhysicalSizeXUnit="{unit}"'
    y = f"PhysicalSizeYUnit='{unit}' PhysicalSizeY = '{value}'"
    assert first(pixels(f"{y} {x}")).mpp == pytest.approx((0.5, 0.5))


def test_a_missing_unit_is_micrometres() -> None:
    assert first(pixels('PhysicalSizeX="0.5" PhysicalSizeY="0.25"')).mpp == (0.5, 0.25)
    assert first(pixels('PhysicalSizeX="0.5"')).mpp is None


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "?m", "parsec", "Mm"])
def test_an_unknown_unit_is_not_guessed(unit: str) -> None:
    image = first(
        pixels(
            f'PhysicalSizeX="0.5" PhysicalSizeXUnit="{unit}" PhysicalSizeY="0.5" '
            f'PhysicalSizeYUnit="{unit}"'
        )
    )
    assert image.mpp is None
    assert f"unknown unit, '{unit}'" in image.note


def test_a_pixel_size_that_is_no_number() -> None:
    image = first(pixels('PhysicalSizeX="0,5" PhysicalSizeY="0,5"'))
    assert image.mpp is None
    assert "no number, '0,5'" in image.note


def test_prefixes_and_declared_encodings() -> None:
    xml = (
        '<?xml version="1.0" encoding="UTF-16"?><o:OME xmlns:o="http://www.openmicroscopy.org/'
        'Schemas/OME/2016-06"><o:Image Name="scan">'
        '<o:Pixels SizeX="10" SizeY="8" PhysicalSizeX="0.5" PhysicalSizeY="0.5">'
        '<o:TiffData IFD="2"/></o:Pixels></o:Image></o:OME>'
    )
    (image,) = ome_images(xml, PATH, 3)
    assert (image.name, image.size, image.mpp) == ("scan", (10, 8), (0.5, 0.5))
    assert image.pages == {(0, 0, 0): 2}


def test_pages_of_the_planes() -> None:
    stack = pixels(inside="<TiffData/>").replace('SizeZ="1" SizeT="1"', 'SizeZ="3" SizeT="2"')
    assert first(stack, 6).pages == {(z, 0, t): z + 3 * t for z in range(3) for t in range(2)}
    other = stack.replace("XYCZT", "XYTCZ")
    assert first(other, 6).pages == {(z, 0, t): t + 2 * z for z in range(3) for t in range(2)}
    moved = stack.replace("<TiffData/>", '<TiffData IFD="4" FirstZ="1" FirstT="1" PlaneCount="2"/>')
    assert first(moved, 6).pages == {(1, 0, 1): 4, (2, 0, 1): 5}


def test_planes_in_other_files_are_left_out() -> None:
    here = '<TiffData IFD="0"><UUID FileName="a.ome.tif">urn:1</UUID></TiffData>'
    there = '<TiffData FirstZ="1" IFD="0"><UUID FileName="b.ome.tif">urn:2</UUID></TiffData>'
    both = pixels(inside=here + there).replace('SizeZ="1"', 'SizeZ="2"')
    assert first(both).pages == {(0, 0, 0): 0}
    renamed = pixels(inside=here.replace("a.ome", "before"))
    assert first(renamed).pages == {(0, 0, 0): 0}


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<OME><Image>", "cannot be read"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><OME>&a;</OME>", "document type"),
        (f"<OME><Image>{pixels().replace('XYCZT', 'XYABC')}</Image></OME>", "order of planes"),
        (f"<OME><Image>{pixels().replace('1', '9999999')}</Image></OME>", "number of planes"),
    ],
)
def test_broken_xml(xml: str, words: str) -> None:
    with pytest.raises(SlideError, match=rf"a\.ome\.tif: its OME-XML.*{words}.*export it again"):
        ome_images(xml, PATH, 1)
