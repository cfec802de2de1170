"""OME-Zarr, written by zarr, by ome-zarr and by spatialdata, against their own reading."""

import json
import shutil
import zipfile
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from builders.ome_zarr import write_ome_zarr
from builders.packages import make_package
from builders.slide_files import MPP, make_slide
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.inference import open_prediction, predict_slide
from histospace_core.slides.content import slide_files, slide_sha256
from histospace_core.slides.open import RGB, open_slide
from histospace_core.slides.probe import probe_slide


@pytest.fixture(scope="module")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "section.png", side=700)


@pytest.fixture(scope="module")
def pixels(png: Path) -> RGB:
    return np.asarray(Image.open(png))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "yxc", "tczyx", "cxy", "zcyx"])
def test_each_order_of_axes(axes: str, version: str, pixels: RGB, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", pixels, axes=axes, version=version)
    with open_slide(tmp_path / "a.zarr") as slide:
        assert (slide.properties.reader, slide.mpp) == ("ome-zarr", pytest.approx(MPP))
        assert slide.properties.level_downsamples == (1, 2, 4)
        assert np.array_equal(slide.read(101, 57, 500, 300, 500, 300), pixels[57:357, 101:601])
        level = np.squeeze(np.asarray(group["1"]))
        left = [axis for axis in axes if axis not in "tz"]
        level = level.transpose([left.index(axis) for axis in "yxc"])
        assert np.array_equal(slide.read(200, 100, 400, 200, 200, 100), level[50:150, 100:300])


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": zarr.codecs.BloscCodec()},
        {"compressors": zarr.codecs.GzipCodec()},
        {"compressors": None},
        {"shards": (3, 512, 512)},
    ],
    ids=["blosc", "gzip", "none", "shards"],
)
def test_each_compression_of_version_3(options: dict, pixels: RGB, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels, **options)
    with open_slide(tmp_path / "a.zarr") as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)


@pytest.mark.parametrize("codec", ["zlib", "lz4", "bz2", "blosc", "zstd"])
def test_each_compression_of_version_2(codec: str, pixels: RGB, tmp_path: Path) -> None:
    compressor = numcodecs.get_codec({"id": codec})
    write_ome_zarr(tmp_path / "a.zarr", pixels, version="0.4", compressors=compressor)
    with open_slide(tmp_path / "a.zarr") as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)


@pytest.mark.parametrize("top", ["", "slide.ome.zarr/"])
def test_a_zipped_store(top: str, pixels: RGB, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels)
    path = tmp_path / "a.ozx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("__MACOSX/._zarr.json", "x")
        for file in sorted((tmp_path / "a.zarr").rglob("*")):
            if file.is_file():
                packed.write(file, top + str(file.relative_to(tmp_path / "a.zarr")))
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)


def test_a_prediction_equals_that_of_the_png(png: Path, pixels: RGB, tmp_path: Path) -> None:
    package = make_package(tmp_path)
    store = tmp_path / "a.ome.zarr"
    write_ome_zarr(store, pixels, version="0.4")
    assert probe_slide(store).reader == "ome-zarr"
    with open_slide(store) as slide, open_slide(png, MPP) as flat:
        predict_slide(slide, package, tmp_path / "zarr", fast=False)
        predict_slide(flat, package, tmp_path / "png", fast=False)
    found, expected = open_prediction(tmp_path / "zarr"), open_prediction(tmp_path / "png")
    assert np.array_equal(found.centres, expected.centres)
    assert np.array_equal(found.matrix(), expected.matrix(), equal_nan=True)
    assert found.record.slide.reader == "ome-zarr"


def test_as_ome_zarr_writes_it(pixels: RGB, tmp_path: Path) -> None:
    write_image = pytest.importorskip("ome_zarr.writer").write_image
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "millimeter"} for axis in "yx"]
    sizes = [[{"type": "scale", "scale": [1, MPP / 1e3 * k, MPP / 1e3 * k]}] for k in (1, 2)]
    write_image(
        pixels.transpose(2, 0, 1),
        group,
        axes=axes,
        scale_factors=[2],
        coordinate_transformations=sizes,
    )
    second = np.asarray(group["s1"]).transpose(1, 2, 0)
    with open_slide(tmp_path / "a.zarr") as slide:
        assert slide.mpp == pytest.approx(MPP)
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)
        assert np.array_equal(slide.read(0, 0, 700, 700, 350, 350), second)


def test_chunks_that_were_not_written_are_the_fill_value(pixels: RGB, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", pixels, fill_value=230, levels=1)
    shutil.rmtree(tmp_path / "a.zarr" / "0" / "c" / "1")  # green
    with open_slide(tmp_path / "a.zarr") as slide:
        found = slide.read(0, 0, 700, 700, 700, 700)
    assert np.array_equal(found, np.asarray(group["0"]).transpose(1, 2, 0))
    assert (found[..., 1] == 230).all()


def test_several_series_are_refused_by_name(pixels: RGB, tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    root.attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(tmp_path / "a.zarr" / "0", pixels)
    write_ome_zarr(tmp_path / "a.zarr" / "1", pixels[::-1])
    (tmp_path / "a.zarr" / "OME").mkdir()
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    with pytest.raises(SlideError, match=r"holds 2 series \(0, 1\).*--series 0") as raised:
        open_slide(tmp_path / "a.zarr")
    assert raised.value.alternatives
    with open_slide(tmp_path / "a.zarr", series="1") as slide:
        assert slide.properties.series == "1"
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels[::-1])
    with pytest.raises(SlideError, match="holds no series '7'"):
        open_slide(tmp_path / "a.zarr", series="7")


def test_label_and_macro_images_are_never_read(pixels: RGB, tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(tmp_path / "a.zarr" / "1", pixels)
    for place, title in (("0", "macro image"), ("2", "label image")):
        other = write_ome_zarr(tmp_path / "a.zarr" / place, pixels[::-1])
        facts = dict(other.attrs)["ome"]
        facts["multiscales"][0]["name"] = title
        other.attrs["ome"] = facts
    with open_slide(tmp_path / "a.zarr") as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)
        assert slide.properties.series == ""
        assert len(slide.properties.notes) == 2
        assert all("which is not the slide" in note for note in slide.properties.notes)


def test_a_spatialdata_store(pixels: RGB, tmp_path: Path) -> None:
    """In the layout of SpatialData, of which an image is 16-bit."""
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_group("images")
    write_ome_zarr(tmp_path / "a.zarr" / "images" / "he", pixels, unit="unit")
    other = write_ome_zarr(tmp_path / "a.zarr" / "images" / "dapi", pixels, levels=1)
    del other["0"]
    other.create_array("0", data=np.zeros((3, 9, 9), np.uint16))
    write_ome_zarr(tmp_path / "a.zarr" / "labels" / "cells", pixels)
    with open_slide(tmp_path / "a.zarr", mpp=MPP) as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels)
        assert slide.properties.mpp_source == "user"
        notes = " ".join(slide.properties.notes)
    assert "'dapi', which is not the slide" in notes
    assert "is stated in 'unit', which is no length" in notes


def test_the_middle_focal_plane(pixels: RGB, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", pixels, axes="czyx", levels=1)
    planes = np.stack([pixels // (k + 1) for k in range(3)]).transpose(3, 0, 1, 2)
    del group["0"]
    group.create_array("0", data=planes, chunks=(1, 1, 256, 256))
    with open_slide(tmp_path / "a.zarr") as slide:
        assert np.array_equal(slide.read(0, 0, 700, 700, 700, 700), pixels // 2)
        assert slide.properties.notes == ("The middle one of its 3 focal planes is read.",)


def test_system_files_are_no_part_of_the_slide(pixels: RGB, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels, version="0.4", levels=1)
    before = slide_sha256(tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr" / ".zattrs") in slide_files(tmp_path / "a.zarr")
    for name in ("._0", ".DS_Store", "0/Thumbs.db"):
        (tmp_path / "a.zarr" / name).write_bytes(b"x")
    assert slide_sha256(tmp_path / "a.zarr") == before
    chunk = next((tmp_path / "a.zarr" / "0").glob("0*"))
    next(p for p in [chunk, *chunk.rglob("*")] if p.is_file()).write_bytes(b"changed")
    assert slide_sha256(tmp_path / "a.zarr") != before


@pytest.mark.parametrize(("codec", "words"), [("pickle", "pickle"), ("fletcher32", "coded")])
def test_codecs_that_are_not_of_images(codec: str, words: str, pixels: RGB, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels, version="0.4", levels=1)
    metadata = tmp_path / "a.zarr" / "0" / ".zarray"
    facts = json.loads(metadata.read_text())
    facts["compressor"] = {"id": codec}
    metadata.write_text(json.dumps(facts))
    with pytest.raises(SlideError, match=words):
        open_slide(tmp_path / "a.zarr")


def test_links_out_of_the_store_are_not_followed(pixels: RGB, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", pixels, levels=1)
    write_ome_zarr(tmp_path / "b.zarr", pixels, levels=1)
    shutil.rmtree(tmp_path / "a.zarr" / "0" / "c")
    (tmp_path / "a.zarr" / "0" / "c").symlink_to(tmp_path / "b.zarr" / "0" / "c")
    with open_slide(tmp_path / "a.zarr") as slide, pytest.raises(SlideError, match="lies outside"):
        slide.read(0, 0, 300, 300, 300, 300)


def test_the_pixel_size_is_that_of_the_largest_level(pixels: RGB, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", pixels, version="0.4")
    scales = group.attrs["multiscales"]
    scales[0]["datasets"].reverse()
    group.attrs["multiscales"] = scales
    with open_slide(tmp_path / "a.zarr") as slide:
        assert (slide.width, slide.mpp) == (700, pytest.approx(MPP))
