from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.open import RGB, open_slide

TILED: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb"}
HALF_UM = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


@pytest.fixture
def others(pixels: RGB) -> list[RGB]:
    """Images of the same size that differ from the slide and from each other."""
    return [np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(pixels[::-1])]


def write_ome(path: Path, *images: tuple[str, RGB], **options: Any) -> Path:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, image in images:
            metadata = {"axes": "YXS", "Name": name, **HALF_UM}
            tiff.write(image, metadata=metadata, **TILED, **options)
    return path


def write_pages(path: Path, *pages: RGB, **options: Any) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for page in pages:
            tiff.write(page, metadata=None, **TILED, **options)
    return path


def whole(path: Path, series: str | None = None) -> RGB:
    with open_slide(path, series=series) as slide:
        return slide.read(0, 0, slide.width, slide.height, slide.width, slide.height)


def notes(path: Path, series: str | None = None) -> str:
    with open_slide(path, series=series) as slide:
        return " ".join(slide.properties.notes)


def test_pages_of_one_size(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels, *others)
    assert np.array_equal(whole(path), pixels)
    for i, image in enumerate([pixels, *others]):
        assert np.array_equal(whole(path, str(i)), image)
    assert "3 images of the same size" in notes(path)
    assert "the first is read, and --series chooses another" in notes(path)
    assert "number 2 is read" in notes(path, "2")
    with pytest.raises(SlideError, match=r"a\.tif: holds no series '3'; choose one of: 0, 1, 2"):
        open_slide(path, series="3")


def test_striped_pages_of_one_size(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in (pixels, others[0]):
            tiff.write(page, photometric="rgb", metadata=None)
    assert np.array_equal(whole(tmp_path / "a.tif"), pixels)
    assert np.array_equal(whole(tmp_path / "a.tif", "1"), others[0])
    assert "2 images of the same size" in notes(tmp_path / "a.tif")


@pytest.mark.parametrize("apart", [False, True])
def test_planes_of_an_aperio_stack_have_their_own_levels(
    pixels: RGB, others: list[RGB], tmp_path: Path, apart: bool
) -> None:
    path = tmp_path / "a.svs"
    small = [np.asarray(Image.fromarray(p).reduce(4)) for p in (pixels, others[0])]
    order = [pixels, others[0], *small]
    if apart:
        order = [pixels, small[0], others[0], small[1]]
    write_pages(path, *order, description="Aperio Image Library v11.2.1|MPP = 0.5")
    for series, image in (("0", pixels), ("1", others[0])):
        with open_slide(path, series=series) as slide:
            assert slide.properties.level_downsamples == (1.0, 4.0)
            assert slide.mpp == 0.5
            expected = np.asarray(Image.fromarray(image).reduce(4))
            assert np.array_equal(slide.thumbnail(350), expected)
        assert np.array_equal(whole(path, series), image)


def test_pages_of_other_sizes_are_not_taken_silently(pixels: RGB, tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels, pixels[:900, :1100])
    with pytest.raises(SlideError, match=r"a\.tif: holds 2 series \(0, 1\).*--series 0") as caught:
        open_slide(path)
    assert caught.value.alternatives is not None
    assert caught.value.alternatives.names == ("0", "1")
    assert np.array_equal(whole(path, "1"), pixels[:900, :1100])
    assert np.array_equal(whole(path, "0"), pixels)


def test_small_pages_are_named(pixels: RGB, tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels, pixels[:300, :200])
    assert np.array_equal(whole(path), pixels)
    assert "Smaller images are not read: 200 x 300 px." in notes(path)


def test_scenes(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    scenes = [("left", pixels), ("right", others[0])]
    path = write_ome(tmp_path / "a.ome.tif", *scenes, ("label image", others[1]))
    words = r"holds 2 series \(left, right\), and one is read .*--series left\)"
    with pytest.raises(SlideError, match=words):
        open_slide(path)
    for series, image in (("left", pixels), ("right", others[0]), ("1", others[0])):
        assert np.array_equal(whole(path, series), image)
    assert "The file also holds the series left." in notes(path, "right")
    assert "Smaller images are not read: 2 (label image)." in notes(path, "right")
    with pytest.raises(SlideError, match="holds no series 'label image'"):
        open_slide(path, series="label image")


def test_scenes_without_names_have_numbers(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.ome.tif", ("", pixels), ("", others[0]))
    with pytest.raises(SlideError, match=r"holds 2 series \(0, 1\)"):
        open_slide(path)
    assert np.array_equal(whole(path, "1"), others[0])


@pytest.mark.parametrize("name", ["Macro", "Image:0", "overview"])
def test_a_macro_image_that_comes_first(pixels: RGB, tmp_path: Path, name: str) -> None:
    macro = np.ascontiguousarray(pixels[:400, :300])
    path = write_ome(tmp_path / "a.ome.tif", (name, macro), ("macrophages", pixels))
    assert np.array_equal(whole(path), pixels)
    assert f"Smaller images are not read: 0 ({name})." in notes(path)


def test_smaller_copies_are_no_scenes(pixels: RGB, tmp_path: Path) -> None:
    half = np.asarray(Image.fromarray(pixels).reduce(2))
    path = write_ome(tmp_path / "a.ome.tif", ("scan", pixels), ("scan", half))
    assert np.array_equal(whole(path), pixels)


def test_the_middle_focal_plane(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    stack = np.stack([others[0], pixels, others[1]])
    tifffile.imwrite(path, stack, metadata={"axes": "ZYXS", **HALF_UM}, **TILED)
    assert np.array_equal(whole(path), pixels)
    assert "Of 3 focal planes, the middle one (number 2) is read." in notes(path)


def test_the_first_time_point(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    stack = np.stack([pixels, others[0]])
    tifffile.imwrite(path, stack, metadata={"axes": "TYXS", **HALF_UM}, **TILED)
    assert np.array_equal(whole(path), pixels)
    assert "Of 2 time points, the first is read." in notes(path)


def test_channels_by_their_names(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[::-1])
    names = {"Channel": {"Name": ["Blue", "Green", "Red"]}}
    grey = {"photometric": "minisblack", "tile": (256, 256)}
    tifffile.imwrite(path, planes, metadata={"axes": "CYX", **HALF_UM, **names}, **grey)
    assert np.array_equal(whole(path), pixels)


def test_ome_xml_in_utf_16(pixels: RGB, tmp_path: Path) -> None:
    size = f'SizeX="{pixels.shape[1]}" SizeY="{pixels.shape[0]}"'
    xml = (
        f'<OME><Image><Pixels {size} SizeC="3" SizeZ="1" SizeT="1" DimensionOrder="XYCZT" '
        'PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeXUnit="µm"><Channel '
        'SamplesPerPixel="3"/><TiffData/></Pixels></Image></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, pixels, description=xml.encode("utf-16"), metadata=None, **TILED)
    with open_slide(path) as slide:
        assert slide.mpp == 0.5
        assert slide.properties.vendor == "ome-tiff"


@pytest.mark.parametrize(
    ("shape", "dtype", "options", "words"),
    [
        ((4,), "u1", {"photometric": "separated"}, "stored as CMYK"),
        ((3,), "u1", {"photometric": "cielab"}, "stored as CIELab"),
        ((3,), "u2", {"photometric": "rgb"}, "3 channel.*16-bit integer are not 8-bit colour"),
        ((3,), "f4", {"photometric": "rgb"}, "3 channel.*32-bit float are not 8-bit colour"),
        ((), "u1", {"photometric": "minisblack"}, "1 channel.*8-bit integer are not 8-bit colour"),
    ],
)
@pytest.mark.parametrize("ome", [False, True])
@pytest.mark.parametrize("tiled", [False, True])
def test_other_colours_are_named(
    tmp_path: Path,
    shape: tuple[int, ...],
    dtype: str,
    options: dict[str, Any],
    words: str,
    ome: bool,
    tiled: bool,
) -> None:
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    form = {"tile": (256, 256)} if tiled else {}
    metadata = {"axes": "YXS" if shape else "YX"} if ome else None
    image = np.zeros((300, 300, *shape), dtype)
    tifffile.imwrite(path, image, metadata=metadata, **form, **options)
    with pytest.raises(SlideError, match=rf"{path.name}: .*{words}.*; save the H&E scan as 8-bit"):
        open_slide(path)


@pytest.mark.parametrize("compression", [None, "deflate", "jpeg"])
def test_an_ome_tiff_in_strips(pixels: RGB, tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.ome.tif"
    form = {"photometric": "rgb", "rowsperstrip": 48, "compression": compression}
    tifffile.imwrite(path, pixels, metadata={"axes": "YXS", **HALF_UM}, **form)
    expected = tifffile.imread(path)
    assert np.array_equal(whole(path), expected)
    with open_slide(path) as slide:
        assert slide.mpp == 0.5
        assert np.array_equal(slide.read(90, 1300, 70, 99, 70, 99), expected[1300:1399, 90:160])


def test_a_smaller_scene_with_its_own_pyramid_is_no_copy(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    scenes = [np.asarray(Image.fromarray(pixels).reduce(k)) for k in (1, 2)]
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name, image in zip("ab", scenes, strict=True):
            metadata = {"axes": "YXS", "Name": name, **HALF_UM}
            tiff.write(image, subifds=1, metadata=metadata, **TILED)
            small = np.asarray(Image.fromarray(image).reduce(2))
            tiff.write(small, subfiletype=1, **TILED)
    with pytest.raises(SlideError, match=r"holds 2 series \(a, b\)"):
        open_slide(path)
    assert np.array_equal(whole(path, "b"), scenes[1])


@pytest.mark.parametrize("name", ["a.ome.tif", "a.tif", "a.svs"])
def test_an_image_of_another_shape_is_no_level(pixels: RGB, tmp_path: Path, name: str) -> None:
    ome = name == "a.ome.tif"
    label = np.ascontiguousarray(pixels[:300, :700])
    text = None if name != "a.svs" else "Aperio Image Library v11.2.1|MPP = 0.5"
    with tifffile.TiffWriter(tmp_path / name, ome=ome) as tiff:
        metadata = {"axes": "YXS", **HALF_UM} if ome else None
        subifds = 1 if ome else None
        tiff.write(pixels, subifds=subifds, metadata=metadata, description=text, **TILED)
        tiff.write(label, subfiletype=1, metadata=None, **TILED)
    with open_slide(tmp_path / name) as slide:
        assert slide.properties.level_downsamples == (1.0,)
        expected = np.asarray(Image.fromarray(pixels).reduce(2))
        assert np.abs(slide.thumbnail(700).astype(int) - expected).mean() < 3


def test_pages_that_say_they_are_pages(pixels: RGB, others: list[RGB], tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels, others[0], subfiletype=2)
    assert np.array_equal(whole(path), pixels)
    assert "2 images of the same size" in notes(path)


HAND = (
    '<OME><Image><Pixels SizeX="1400" SizeY="1400" SizeC="3" SizeZ="1" SizeT="1" Type="uint8" '
    'DimensionOrder="XYCZT" PhysicalSizeX="0.5" PhysicalSizeY="0.5">{}</Pixels></Image></OME>'
)


@pytest.mark.parametrize(
    "inside",
    ["", "<TiffData/>", "<Channel/><TiffData/>", "<Channel/><Channel/><Channel/><TiffData/>"],
)
@pytest.mark.parametrize("planes", [False, True])
def test_ome_xml_that_a_program_wrote_by_hand(
    pixels: RGB, tmp_path: Path, inside: str, planes: bool
) -> None:
    """The TIFF and not the XML says how many samples a pixel has."""
    path = tmp_path / "a.ome.tif"
    data = np.ascontiguousarray(pixels.transpose(2, 0, 1)) if planes else pixels
    look = {**TILED, "photometric": "minisblack"} if planes else TILED
    text = HAND.format(inside) + "\n<!-- written by hand -->"
    tifffile.imwrite(path, data, description=text, metadata=None, **look)
    assert np.array_equal(whole(path), pixels)
    with open_slide(path) as slide:
        assert slide.mpp == 0.5


def test_a_page_without_a_size(pixels: RGB, tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels, pixels[:300, :200])
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[1].tags["ImageWidth"]
        start = tag.valueoffset
    content = bytearray(path.read_bytes())
    content[start : start + 2] = bytes(2)
    path.write_bytes(content)
    with pytest.raises(SlideError, match="an image in it states no size; the file is damaged"):
        open_slide(path)
