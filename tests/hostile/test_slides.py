"""Files that are no slides, or slides made to hurt."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders.slide_files import make_slide
from PIL import Image

from histospace_core.errors import PixelSizeError, SlideError
from histospace_core.slides.ome import ome_images
from histospace_core.slides.open import open_slide
from histospace_core.slides.probe import probe_slide


def refused(path: Path | str, words: str, kind: type[SlideError] = SlideError) -> None:
    """Probe a file and insist on one clear sentence without the folder's name."""
    with pytest.raises(kind, match=words) as caught:
        probe_slide(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert str(Path(path).parent) + "/" not in message


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.svs", "a.tif", "a.png", "a.jpg", "a.ndpi", "a.dcm", "a"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"Dear Sir or Madam, please find the slide attached.",
        bytes(np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8)),
        b"II*\0" + b"\xff" * 400,
        b"II*\0\x08\0\0\0" + b"\xff" * 4000,
        b"MM\0+" + bytes(400),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
    ],
    ids=["empty", "nul", "text", "random", "tiff", "tiff2", "bigtiff", "png", "jpeg"],
)
def test_no_slide_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"^a[ .:].*(export it again|check)") as caught:
        open_slide(path)
    assert str(tmp_path) not in str(caught.value)


def test_the_probe_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "letter.svs").write_text("Dear Sir or Madam")
    refused(tmp_path / "letter.svs", r"letter\.svs: not a slide that can be read")
    (tmp_path / "empty.svs").touch()
    refused(tmp_path / "empty.svs", r"empty\.svs: the file is empty")


def test_png_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60_000, 60_000))
    refused(path, "60000 x 60000 px is too large for a flat image")


def test_png_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "short.png"
    path.write_bytes(png_header(3_000, 3_000))
    refused(path, "cannot be read")


def test_tiff_bomb(tmp_path: Path) -> None:
    """A header of 100,000 x 100,000 px in a striped file of a few kilobytes."""
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb", rowsperstrip=64)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for tag in ("ImageWidth", "ImageLength"):
            at = tiff.pages[0].tags[tag].valueoffset
            width = 2 if tiff.pages[0].tags[tag].dtype == 3 else 4
            content[at : at + width] = (60_000).to_bytes(width, "little")
    path.write_bytes(content)
    refused(path, r"bomb\.tif")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("f4", "32-bit float"), ("u2", "16-bit integer"), ("i1", "8-bit"), ("f8", "64-bit float")],
)
@pytest.mark.parametrize("tile", [None, (256, 256)])
def test_tiff_of_other_numbers(
    tmp_path: Path, kind: str, words: str, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "numbers.tif"
    image = np.random.default_rng(0).integers(0, 100, (600, 600, 3)).astype(kind)
    tifffile.imwrite(path, image, photometric="rgb", tile=tile)
    refused(path, words + ".*save the H&E scan as 8-bit RGB")


@pytest.mark.parametrize("tile", [None, (256, 256)])
def test_grey_tiff(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    tifffile.imwrite(tmp_path / "grey.tif", np.full((600, 600), 99, np.uint8), tile=tile)
    refused(tmp_path / "grey.tif", r"1 channel\(s\) of 8-bit")


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "P"])
def test_png_that_is_not_rgb(tmp_path: Path, mode: str) -> None:
    """A palette holds colours and is read as such; the rest is refused."""
    path = tmp_path / "image.png"
    make_slide(path, 600)
    Image.open(path).convert("L" if mode == "I;16" else mode).convert(mode).save(path)
    if mode == "P":
        assert probe_slide(path).width == 600
    else:
        refused(path, "are not 8-bit colour")


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("CMYK", (600, 600)).save(tmp_path / "print.jpg")
    refused(tmp_path / "print.jpg", "are not 8-bit colour")


def test_missing_folder_or_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.svs", r"nothing\.svs: there is no such file")
    refused(tmp_path, "folder has no DICOM files")
    make_slide(tmp_path / "slide.png", 300)
    (tmp_path / "scan.mrxs").write_bytes((tmp_path / "slide.png").read_bytes())
    refused(tmp_path / "scan.mrxs", r"scan\.mrxs: the folder scan that belongs to it is missing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svs")
    refused(tmp_path / "pipe.svs", r"pipe\.svs: it is neither a file nor a folder")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_no_permission(tmp_path: Path) -> None:
    make_slide(tmp_path / "slide.png", 300).chmod(0)
    refused(tmp_path / "slide.png", "check its permissions")


@pytest.mark.parametrize("name", ["a\0b.svs", "x" * 300 + ".svs", "../" * 90 + "nowhere.svs", ""])
def test_paths_that_cannot_be(name: str) -> None:
    with pytest.raises(SlideError):
        open_slide(name)
    with pytest.raises(SlideError):
        probe_slide(name)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>".replace("/", "") + ".png",
        "**bold** [link](x).png",
        "\u202egnp.scan.png",
        "a[strip,autorotate].png",
        "two\nlines.png",
        "quote'\".png",
        "; rm -rf ~.png",
        "%s %n.png",
        "\udcff\udcfe.png",
    ],
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make_slide(path, 400)
    assert probe_slide(path).width == 400


@pytest.mark.parametrize("mpp", [0, -1, float("nan"), float("inf"), 1e-9, 1e9])
def test_pixel_sizes_that_cannot_be(tmp_path: Path, mpp: float) -> None:
    path = make_slide(tmp_path / "slide.png", 400)
    with pytest.raises(PixelSizeError, match="not a pixel size"):
        open_slide(path, mpp)
    with pytest.raises(PixelSizeError, match="not a pixel size"):
        probe_slide(path, mpp)


def test_entities_of_ome_xml_are_never_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><OME>&b;</OME>'
    with pytest.raises(SlideError, match=r"a\.tif: its OME-XML cannot be read .* document type"):
        ome_images(bomb, Path("a.tif"), 1)
    with pytest.raises(SlideError, match=r"its OME-XML cannot be read"):
        ome_images("<Pixels " * 100_000, Path("a.tif"), 1)
