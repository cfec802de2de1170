import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from builders import children
from PIL import Image

from histospace_core.errors import PixelSizeError, SlideError, TissueError
from histospace_core.slides import probe
from histospace_core.slides.checks import check_h_and_e
from histospace_core.slides.open import RGB
from histospace_core.slides.probe import probe_slide


def test_a_good_slide(png: Path) -> None:
    found = probe_slide(png)
    assert (found.width, found.height, found.mpp, found.reader) == (1400, 1400, None, "vips")
    assert probe_slide(png, 0.5).mpp_source == "user"


def test_the_users_pixel_size_is_checked(png: Path) -> None:
    with pytest.raises(PixelSizeError, match=r"section\.png: 0 um/px is not a pixel size"):
        probe_slide(png, 0)
    with pytest.raises(PixelSizeError, match="not a pixel size"):
        probe_slide(png, float("nan"))


def test_the_child_is_light() -> None:
    code = "import sys, histospace_core.slides.checks; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "scipy", "sklearn", "pandas"}.isdisjoint(run.stdout.split())


def test_truncated_after_the_header(pixels: RGB, tmp_path: Path) -> None:
    """The directory comes first, the pixels of the last rows are gone: such a file opens."""
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="jpeg")
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        end = max(tiff.pages[0].dataoffsets)
    path.write_bytes(content[:end])
    with pytest.raises(SlideError, match=r"cut\.tif: the file is truncated: 1 of its 37 pieces"):
        probe_slide(path)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_truncated_images(pixels: RGB, tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / f"cut.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=16)
    else:
        Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SlideError, match=r"cut\.(png|jpg|tif)"):
        probe_slide(path)


def test_a_damaged_tile_may_slip_through_only_if_small(damaged_tiff: Path) -> None:
    """A 256 px tile of this slide is larger than the gaps between what the probe reads."""
    with pytest.raises(SlideError, match="damaged or incomplete"):
        probe_slide(damaged_tiff)


def test_too_small(tmp_path: Path) -> None:
    Image.new("RGB", (255, 900), "pink").save(tmp_path / "a.png")
    with pytest.raises(SlideError, match=r"too small \(255 x 900 px"):
        probe_slide(tmp_path / "a.png")


def test_blank(tmp_path: Path) -> None:
    Image.new("RGB", (600, 600), (245, 244, 246)).save(tmp_path / "a.png")
    with pytest.raises(TissueError, match="looks blank"):
        probe_slide(tmp_path / "a.png")


def test_not_h_and_e(pixels: RGB) -> None:
    check_h_and_e(pixels, Path("a.png"))
    with pytest.raises(SlideError, match="dark, as in fluorescence"):
        check_h_and_e((255 - pixels) // 3, Path("a.png"))
    with pytest.raises(SlideError, match="grey"):
        check_h_and_e(np.repeat(pixels[..., 1:2], 3, axis=2), Path("a.png"))
    with pytest.raises(SlideError, match="of its coloured pixels"):
        check_h_and_e(pixels[..., [0, 2, 1]], Path("a.png"))  # green where it was blue


def test_time_out(png: Path) -> None:
    start = time.monotonic()
    with pytest.raises(SlideError, match=r"took more than 0\.05 s"):
        probe_slide(png, timeout_s=0.05)
    assert time.monotonic() - start < 5


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is kept by Linux only")
def test_memory_limit(png: Path) -> None:
    with pytest.raises(SlideError, match=r"section\.png"):
        probe_slide(png, memory_mb=60)


def test_a_crash_of_the_decoder(png: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "check_slide_as_json", children.crash)
    with pytest.raises(SlideError, match=r"decoder crashed on it \(exit status -11\)"):
        probe_slide(png)
