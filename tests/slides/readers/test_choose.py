import logging
from pathlib import Path

import numpy as np
import openslide
import pytest
from builders import tiff_corpus
from builders.ndpi import write_ndpi
from builders.tiff_corpus import Sample

from histospace_core.slides.open import open_slide
from histospace_core.slides.readers.choose import open_reader
from histospace_core.slides.readers.reader import on_white

MISREAD = {
    "channels.ome.tif": "it shows the first channel in grey",
    "channels.tif": "it shows the first channel in grey",
    "turned.tif": "it turns each tile by itself",
    "focal_planes.ome.tif": "it shows the first focal plane",
    "macro_first.ome.tif": "it shows the macro image",
}
"""What OpenSlide makes of files that it does not know."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return tiff_corpus.build(tmp_path_factory.mktemp("corpus"))


def test_pixels_are_the_true_ones(corpus: list[Sample]) -> None:
    for sample in corpus:
        with open_slide(sample.path) as slide:
            size = (slide.width, slide.height)
            found = slide.read(0, 0, *size, *size)
        apart = np.abs(found.astype(int) - sample.truth)
        assert apart.mean() < (1e-9 if sample.lossless else 2), sample.path.name


def test_every_level_is_that_of_openslide(corpus: list[Sample]) -> None:
    compared = set()
    for path in (sample.path for sample in corpus if sample.path.name not in MISREAD):
        try:
            reference = openslide.OpenSlide(path)
        except openslide.OpenSlideError:
            continue
        reader = open_reader(path)
        for level, (w, h) in enumerate(
            reader.level_size(i) for i in range(len(reader.downsamples))
        ):
            # In a stack of planes, OpenSlide lists the levels of all; the first of a size counts.
            theirs = next(
                (i for i, size in enumerate(reference.level_dimensions) if size == (w, h)), None
            )
            if theirs is None:  # a pyramid in sub-images
                continue
            for box in ((0, 0, w, h), (w // 3, h // 2, w // 2 + 1, h // 3 + 1)):
                down = reference.level_downsamples[theirs]
                corner = (round(box[0] * down), round(box[1] * down))
                expected = on_white(reference.read_region(corner, theirs, box[2:]))
                found = reader.read(level, *box)
                assert np.array_equal(np.asarray(found), np.asarray(expected)), (path.name, level)
            compared.add((path.name, level))
        reader.close()
        reference.close()
    assert {("z_stack.svs", 1), ("pyramid_of_two.tif", 1), ("sparse.ome.tif", 0)} <= compared
    assert len(compared) > 20


@pytest.mark.parametrize(
    "name", ["a::b", "a#1", "100%", "a%20b", "what?", "a[1]", "http:a", "~x", "Schnitt Ä 腫瘍"]
)
def test_any_name_will_do(corpus: list[Sample], tmp_path: Path, name: str) -> None:
    sample = next(s for s in corpus if s.path.name == "sparse.ome.tif")
    path = tmp_path / f"{name}.ome.tif"
    path.write_bytes(sample.path.read_bytes())
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(9, 9, 400, 300, 400, 300), sample.truth[9:309, 9:409])


def test_an_ndpi_with_focal_planes(corpus: list[Sample], tmp_path: Path) -> None:
    truth = corpus[1].truth
    blurred = [np.ascontiguousarray(truth[::-1]), np.ascontiguousarray(truth[:, ::-1])]
    stack = list(zip([blurred[0], truth, blurred[1]], (-500, 0, 500), strict=True))
    with open_slide(write_ndpi(tmp_path / "a.ndpi", stack)) as slide:
        assert slide.properties.vendor == "hamamatsu"
        assert slide.properties.notes == ("Of 3 focal planes, that at offset 0 is read.",)
        assert np.abs(slide.read(0, 0, 700, 620, 700, 620).astype(int) - truth).mean() < 3
    with open_slide(write_ndpi(tmp_path / "b.ndpi", stack[1:2])) as slide:
        assert slide.properties.notes == ()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
