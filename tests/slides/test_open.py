import hashlib
import io
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.errors import PixelSizeError, SlideError
from histospace_core.slides import open as opening
from histospace_core.slides.open import RGB, open_slide


def write_ome(path: Path, pixels: RGB, unit: str = "µm", size: tuple[float, float] = (0.5, 0.5)):
    """A pyramidal OME-TIFF: its levels are sub-images of the first."""
    physical = {"PhysicalSizeX": size[0], "PhysicalSizeY": size[1]}
    units = {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "deflate"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(pixels, subifds=2, metadata={"axes": "YXS", **physical, **units}, **options)
        for step in (2, 4):
            small = Image.fromarray(pixels).reduce(step)
            tiff.write(np.asarray(small), subfiletype=1, **options)


def difference(a: RGB, b: RGB) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def test_whole_pixels_are_copied(png: Path, pixels: RGB) -> None:
    with open_slide(png, 0.69) as slide:
        assert (slide.width, slide.height) == (pixels.shape[1], pixels.shape[0])
        assert np.array_equal(slide.read(301, 207, 400, 300, 400, 300), pixels[207:507, 301:701])


def test_outside_the_slide_is_white(png: Path, pixels: RGB) -> None:
    with open_slide(png) as slide:
        corner = slide.read(-30, -20, 100, 100, 100, 100)
        beyond = slide.read(slide.width + 5, 0, 50, 50, 50, 50)
    assert (corner[:20] == 255).all()
    assert (corner[:, :30] == 255).all()
    assert np.array_equal(corner[20:, 30:], pixels[:80, :70])
    assert (beyond == 255).all()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=st.floats(50, 600),
    y=st.floats(50, 600),
    side=st.floats(40, 700),
    out=st.integers(20, 300),
)
def test_any_box_as_pillow_resamples_it(
    png: Path, pixels: RGB, x: float, y: float, side: float, out: int
) -> None:
    with open_slide(png) as slide:
        found = slide.read(x, y, side, side, out, out)
    box = (x, y, x + side, y + side)
    expected = Image.fromarray(pixels).resize((out, out), Image.Resampling.BICUBIC, box=box)
    assert difference(found, np.asarray(expected)) < 1.0


def test_strips_make_the_same_image(png: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_slide(png) as slide:
        whole = slide.thumbnail(100)
        monkeypatch.setattr(opening, "_STRIP_PIXELS", 40_000)
        assert np.array_equal(slide.thumbnail(100), whole)
        assert whole.shape == (100, 100, 3)


def test_a_thumbnail_is_never_enlarged(png: Path, pixels: RGB) -> None:
    with open_slide(png) as slide:
        assert np.array_equal(slide.thumbnail(10_000), pixels)


def test_impossible_box(png: Path) -> None:
    with open_slide(png) as slide, pytest.raises(SlideError, match="cannot be read"):
        slide.read(0, 0, float("nan"), 10, 10, 10)


def test_ome_tiff_keeps_its_pyramid(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "section.ome.tif"
    write_ome(path, pixels)
    with open_slide(path) as slide:
        assert slide.properties.reader == "tifffile"
        assert slide.properties.level_downsamples == (1.0, 2.0, 4.0)
        assert slide.mpp == 0.5
        assert slide.properties.mpp_source == "file"
        assert np.array_equal(slide.read(10, 20, 64, 64, 64, 64), pixels[20:84, 10:74])
        expected = np.asarray(Image.fromarray(pixels).resize((280, 280)))
        assert difference(slide.read(0, 0, 1400, 1400, 280, 280), expected) < 3


@pytest.mark.parametrize(("unit", "size"), [("nm", 500.0), ("mm", 0.0005)])
def test_ome_units(pixels: RGB, tmp_path: Path, unit: str, size: float) -> None:
    write_ome(tmp_path / "a.ome.tif", pixels, unit, (size, size))
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.mpp == pytest.approx(0.5)


def test_pixels_that_are_not_square(pixels: RGB, tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", pixels, size=(0.5, 0.6))
    with pytest.raises(PixelSizeError, match=r"a\.ome\.tif.*not square"):
        open_slide(tmp_path / "a.ome.tif")


def test_striped_tiff_asks_for_its_pixel_size(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "striped.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", resolution=(72, 72), resolutionunit="INCH")
    with open_slide(path) as slide:
        assert slide.properties.reader == "vips"
        assert slide.properties.mpp is None
        with pytest.raises(PixelSizeError, match="does not state its pixel size"):
            _ = slide.mpp
    with open_slide(path, 0.5) as slide:
        assert (slide.mpp, slide.properties.mpp_source) == (0.5, "user")


def test_dpi_of_a_jpeg_means_nothing(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    Image.fromarray(pixels).save(path, dpi=(50800, 50800))  # would be 0.5 um/px
    with open_slide(path) as slide:
        assert slide.properties.mpp is None


def test_exif_orientation_does_not_turn_the_image(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels[:900]).save(path, exif=exif)
    with open_slide(path) as slide:
        assert (slide.width, slide.height) == (1400, 900)


def test_resolution_of_a_tiled_tiff_is_taken_where_sane(pixels: RGB, tmp_path: Path) -> None:
    path = tmp_path / "tiled.tif"
    options = {"tile": (256, 256), "photometric": "rgb", "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, resolution=(20_000, 20_000), **options)
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5)
    with pytest.raises(PixelSizeError, match=r"states 0\.5 um/px, but you gave 0\.69"):
        open_slide(path, 0.69)
    with open_slide(path, 0.51) as slide:
        assert slide.properties.mpp_source == "file"
    tifffile.imwrite(path, pixels, resolution=(28, 28), **options)
    with open_slide(path) as slide, pytest.raises(PixelSizeError, match="absurd"):
        _ = slide.mpp
    with open_slide(path, 0.5) as slide:
        assert slide.mpp == 0.5


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    image = np.zeros((300, 300, 4), np.uint8)
    image[..., 0] = 200
    image[:150, :, 3] = 255
    Image.fromarray(image).save(tmp_path / "alpha.png")
    with open_slide(tmp_path / "alpha.png") as slide:
        found = slide.read(0, 0, 300, 300, 300, 300)
    assert (found[:150] == [200, 0, 0]).all()
    assert (found[150:] == 255).all()


def test_a_damaged_region_leaves_the_others_readable(damaged_tiff: Path) -> None:
    with open_slide(damaged_tiff, 0.69) as slide:
        before = slide.read(0, 0, 256, 256, 256, 256)
        with pytest.raises(SlideError, match=r"damaged\.tif: the region at x 520, y 520"):
            slide.read(520, 520, 100, 100, 100, 100)
        assert np.array_equal(slide.read(0, 0, 256, 256, 256, 256), before)


def test_hash_of_the_file(png: Path) -> None:
    with open_slide(png) as slide:
        assert slide.sha256() == hashlib.sha256(png.read_bytes()).hexdigest()


def test_closing_twice(png: Path) -> None:
    slide = open_slide(png)
    slide.close()
    slide.close()


@pytest.mark.parametrize("name", ["scan.svs", "Schnitt Ä (1).png", "a[page=1].png", "-x.png"])
def test_content_counts_and_not_the_name(png: Path, pixels: RGB, tmp_path: Path, name: str) -> None:
    path = shutil.copy(png, tmp_path / name)
    with open_slide(path) as slide:
        assert slide.properties.reader == "vips"
        assert slide.properties.mpp is None
        assert np.array_equal(slide.read(0, 0, 99, 99, 99, 99), pixels[:99, :99])


def write_with_profile(folder: Path, kind: str, pixels: RGB, profile: bytes) -> Path:
    path = folder / f"profile.{kind.split()[0]}"
    tiles = {"tile": (256, 256), "photometric": "rgb", "iccprofile": profile}
    if kind in ("png", "jpg"):
        Image.fromarray(pixels).save(path, icc_profile=profile)
    elif kind == "ome.tif":
        tifffile.imwrite(path, pixels, ome=True, compression="deflate", **tiles)
    elif kind == "tif in strips":
        tifffile.imwrite(path, pixels, photometric="rgb", iccprofile=profile)
    else:
        tifffile.imwrite(path, pixels, compression=kind.split()[-1], **tiles)
    return path


@pytest.mark.parametrize(
    "kind", ["png", "jpg", "ome.tif", "tif in strips", "tif of jpeg", "tif of deflate"]
)
def test_an_embedded_profile_is_applied(kind: str, pixels: RGB, tmp_path: Path) -> None:
    profile = wide_gamut_profile()
    path = write_with_profile(tmp_path, kind, pixels, profile)
    box = (500, 600, 400, 300, 400, 300)
    with open_slide(path, 0.69) as slide, open_slide(path, 0.69, icc=False) as as_stored:
        found, stored = slide.read(*box), as_stored.read(*box)
        assert slide.properties.icc == "Wide gamut"
        assert slide.properties.notes == ()
        assert as_stored.properties.icc == ""
        assert any("is not used, as asked" in note for note in as_stored.properties.notes)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    expected = ImageCms.profileToProfile(Image.fromarray(stored), source, target)
    assert np.array_equal(found, np.asarray(expected))
    assert difference(found, stored) > 3
    if kind not in ("jpg", "tif of jpeg"):
        assert np.array_equal(stored, pixels[600:900, 500:900])


def test_a_broken_profile_is_said(pixels: RGB, tmp_path: Path) -> None:
    path = write_with_profile(tmp_path, "tif of deflate", pixels, b"no profile" * 20)
    with open_slide(path, 0.69) as slide:
        assert np.array_equal(slide.read(0, 0, 300, 300, 300, 300), pixels[:300, :300])
        assert slide.properties.icc == ""
        (note,) = slide.properties.notes
    assert "its colour profile cannot be used" in note


def test_outside_stays_white_if_the_profile_does_not_keep_white(
    pixels: RGB, tmp_path: Path
) -> None:
    blue = struct.pack(">3i", *(round(v * 65536) for v in (0.14919, 0.06322, 0.74457)))
    assert blue in wide_gamut_profile()
    yellowish = wide_gamut_profile().replace(blue, struct.pack(">3i", 9000, 4000, 40000))
    path = write_with_profile(tmp_path, "png", np.full_like(pixels, 255), yellowish)
    with open_slide(path, 0.69) as slide:
        corner = slide.read(-30, -20, 100, 100, 50, 50)
        beyond = slide.read(slide.width + 5, 0, 50, 50, 50, 50)
    assert (corner[10:, 15:, 2] < 250).all()
    assert (corner[:10] == 255).all()
    assert (corner[:, :15] == 255).all()
    assert (beyond == 255).all()
