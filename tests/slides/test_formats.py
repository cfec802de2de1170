from pathlib import Path

import pytest
from PIL import Image

from histospace_core.errors import SlideError
from histospace_core.slides.open import open_slide
from histospace_core.slides.probe import probe_slide

HEADS = {
    "Zeiss CZI": b"ZISRAWFILE" + bytes(90),
    "Zeiss ZVI": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(90),
    "Leica LIF": b"\x70\0\0\0\x20\0\0\0\x2a" + bytes(90),
    "Nikon ND2": b"\xda\xce\xbe\x0a" + bytes(90),
    "Olympus ETS": b"SIS\0" + bytes(90),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(90),
    "WebP": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(90),
    "GIF": b"GIF89a" + bytes(90),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(90),
    "Philips iSyntax": b'<DataObject ObjectType="DPUfsImport">' + bytes(90),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(90),
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("suffix", ["svs", "tif", "czi"])
def test_formats_that_are_not_read_are_named(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"scan.{suffix}"
    path.write_bytes(HEADS[name])
    words = rf"^scan\.{suffix}: the format {name}.* is not read; export it as OME-TIFF"
    with pytest.raises(SlideError, match=words):
        open_slide(path)
    with pytest.raises(SlideError, match=words):
        probe_slide(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (bytes(5000), "begins with zeros only"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page and not a slide"),
        (b"<HTML><head>", "a web page and not a slide"),
        (b"%PDF-1.7", "a PDF document and not a slide"),
        (b"PK\x03\x04" + bytes(90), "a zip archive and not a slide"),
        (b"\x1f\x8b" + bytes(90), "a gzip archive and not a slide"),
        (b"version https://git-lfs.github.com/spec/v1", "a placeholder of Git LFS and not a slide"),
    ],
)
def test_files_that_are_no_images(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "scan.svs"
    path.write_bytes(content)
    with pytest.raises(SlideError, match=rf"^scan\.svs: .*{words}"):
        open_slide(path)


def test_a_vsi_file_is_known_by_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "Image_01.tif"
    Image.new("RGB", (300, 300), "pink").save(path)
    with open_slide(path) as slide:
        assert slide.width == 300
    folder = tmp_path / "_Image_01_" / "stack1"
    folder.mkdir(parents=True)
    (folder / "frame_t.ets").write_bytes(b"SIS\0")
    with pytest.raises(SlideError, match=r"Olympus VSI, whose pixels are in its folder _Image_01_"):
        open_slide(path)
