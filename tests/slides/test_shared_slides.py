"""Every file of ../shared/slides behaves as its README asks."""

from pathlib import Path

import numpy as np
import pytest

from histospace_core.errors import PixelSizeError, SlideError
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.probe import probe_slide
from histospace_core.slides.tiles import stream_blocks
from histospace_core.slides.tissue import find_tissue

pytestmark = pytest.mark.shared


@pytest.fixture
def slides(shared: Path) -> Path:
    return shared / "slides"


def test_cmu_1_small_region(slides: Path) -> None:
    path = slides / "CMU-1-Small-Region.svs"
    found = probe_slide(path)
    assert (found.width, found.height, found.mpp) == (2220, 2967, 0.499)
    assert (found.vendor, found.mpp_source) == ("aperio", "file")
    with open_slide(path) as slide:
        assert not any("label" in name or "macro" in name for name in vars(type(slide)))
        plan = plan_tiles(slide, find_tissue(slide))
        tiles = np.concatenate([block.tiles for block in stream_blocks(slide, plan)])
    assert tiles.shape == (plan.n_tiles, 128, 128, 3)
    assert 60 <= plan.n_tiles <= 120


def test_tcga(slides: Path) -> None:
    path = slides / "TCGA-CR-7395-01A-01-TS1.svs"
    found = probe_slide(path)
    assert (found.width, found.height, found.mpp, found.mpp_source) == (4443, 3567, None, None)
    assert len(found.level_downsamples) == 2
    with open_slide(path) as slide:
        with pytest.raises(PixelSizeError, match=r"does not state its pixel size; give it"):
            _ = slide.mpp
        with pytest.raises(PixelSizeError):
            find_tissue(slide)
    with open_slide(path, 0.25) as slide:
        assert find_tissue(slide).fraction > 0.5


def test_dapi(slides: Path) -> None:
    path = slides / "test3-DAPI-2-387.ndpi"
    with open_slide(path) as slide:
        assert slide.properties.vendor == "hamamatsu"
        assert len(slide.properties.level_downsamples) == 7
    with pytest.raises(SlideError, match=r"not an H&E slide: .*fluorescence"):
        probe_slide(path)


def test_boxes_tiff(slides: Path) -> None:
    path = slides / "boxes.tiff"
    with open_slide(path) as slide:
        assert (slide.width, slide.height) == (300, 250)
        with pytest.raises(PixelSizeError, match=r"352\.8 um/px, which is absurd"):
            _ = slide.mpp
    with pytest.raises(PixelSizeError, match=r"352\.8 um/px, is absurd"):
        probe_slide(path)


@pytest.mark.parametrize("name", ["boxes_0.dcm", "boxes_1.dcm"])
def test_dicom_boxes(slides: Path, name: str) -> None:
    with open_slide(slides / name) as slide:
        assert (slide.width, slide.height, slide.properties.vendor) == (16, 16, "dicom")
        assert slide.thumbnail().shape == (16, 16, 3)
    with pytest.raises(SlideError, match="too small"):
        probe_slide(slides / name)


def test_a_folder_of_dicom_files(slides: Path, tmp_path: Path) -> None:
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        (tmp_path / name).write_bytes((slides / name).read_bytes())
    with open_slide(tmp_path) as slide:
        assert slide.properties.vendor == "dicom"
        of_the_series = slide.sha256()
    with open_slide(tmp_path / "boxes_0.dcm") as slide:  # OpenSlide finds the other instances
        assert slide.sha256() == of_the_series
    (tmp_path / "boxes_1.dcm").unlink()
    with open_slide(tmp_path / "boxes_0.dcm") as slide:
        assert slide.sha256() != of_the_series
    (tmp_path / "boxes_1.dcm").write_bytes((slides / "boxes_1.dcm").read_bytes())
    with pytest.raises(SlideError, match="too small"):
        probe_slide(tmp_path)


def test_small(slides: Path) -> None:
    with pytest.raises(SlideError, match=r"small\.svs: the slide is too small \(16 x 16 px"):
        probe_slide(slides / "small.svs")


def test_unopenable(slides: Path) -> None:
    with pytest.raises(SlideError, match=r"unopenable\.tiff: .*compression: 52479"):
        open_slide(slides / "unopenable.tiff")
    with pytest.raises(SlideError, match=r"unopenable\.tiff: .*compression: 52479"):
        probe_slide(slides / "unopenable.tiff")


def test_unreadable(slides: Path) -> None:
    with open_slide(slides / "unreadable.svs") as slide:
        assert slide.mpp == 0.499
    with pytest.raises(SlideError, match=r"unreadable\.svs: the region .* cannot be read"):
        probe_slide(slides / "unreadable.svs")


def test_the_readme_is_no_slide(slides: Path) -> None:
    with pytest.raises(SlideError, match="not a slide"):
        probe_slide(slides / "README.md")


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_scans(slides: Path, tmp_path: Path, name: str, share: float) -> None:
    content = (slides / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(SlideError, match=name):
        probe_slide(tmp_path / name)


@pytest.mark.parametrize("section", ["B/B4", "C/C2"])
def test_her2st_is_h_and_e(shared: Path, section: str) -> None:
    image = next((shared / "her2st/ST-imgs" / section).glob("*.jpg"))
    assert probe_slide(image, 0.69).mpp == 0.69


def test_mouse_sections_are_h_and_e(shared: Path) -> None:
    assert probe_slide(shared / "mouse_olfactory_bulb/Rep9.jpg", 2.8).mpp == 2.8
    brain = shared / "visium_mouse_brain"
    for name in ("V1_Adult_Mouse_Brain_image_small.tif", "tissue_lowres_image.png"):
        assert probe_slide(brain / name).mpp is None
