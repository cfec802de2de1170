from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from builders.ome_zarr import write_ome_zarr

from histospace_core.errors import SlideError
from histospace_core.slides.ngff import choose_image

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)


def image(path: Path) -> Any:
    return choose_image(zarr.open_group(path, mode="r"), path, None)[1]


def test_the_scale_of_the_whole_pyramid_counts_too(tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", PIXELS, mpp=1.0)
    facts = dict(group.attrs)["ome"]
    facts["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1, 0.25, 0.25]}
    ]
    group.attrs["ome"] = facts
    assert image(tmp_path / "a.zarr").mpp == (0.25, 0.25)


def test_a_size_without_a_unit_is_said_and_not_used(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", PIXELS, mpp=0.5, unit=None)
    found = image(tmp_path / "a.zarr")
    assert found.mpp is None
    assert found.notes == ["Its pixel size (0.5) is stated without a unit, and is not used."]


def test_pixels_without_a_size(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.zarr", PIXELS, mpp=1.0, unit=None)
    assert (image(tmp_path / "a.zarr").mpp, image(tmp_path / "a.zarr").notes) == (None, [])


@pytest.mark.parametrize("key", ["label", "color"])
def test_channels_in_another_order(key: str, tmp_path: Path) -> None:
    words = ["blue", "red", "green"] if key == "label" else ["0000FF", "FF0000", "00FF00"]
    write_ome_zarr(
        tmp_path / "a.zarr", PIXELS, more={"omero": {"channels": [{key: word} for word in words]}}
    )
    assert image(tmp_path / "a.zarr").order == (1, 2, 0)


def test_a_level_that_is_missing(tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", PIXELS)
    del group["1"]
    found = image(tmp_path / "a.zarr")
    assert [level.scale for level in found.levels] == [(0.69, 0.69), (2.76, 2.76)]
    assert found.notes == ["Its level '1' is missing and left out."]
    del group["0"]
    with pytest.raises(SlideError, match="the full resolution, is missing; copy"):
        image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"plate": {}}, "a plate of a high-content screen"),
        ({"well": {}}, "a plate of a high-content screen"),
        ({"image-label": {}}, "a mask of labels"),
        ({}, "holds no OME-Zarr image"),
        ({"multiscales": 5}, "metadata cannot be understood"),
        ({"multiscales": []}, "metadata cannot be understood"),
        ({"multiscales": [{"datasets": [{}]}]}, "metadata cannot be understood"),
        ({"multiscales": [{"datasets": [{"path": "../b"}]}]}, "lies outside the image"),
        ({"multiscales": [{"datasets": [{"path": "/etc"}]}]}, "lies outside the image"),
        ({"multiscales": [{"axes": ["y", "x", "q"], "datasets": []}]}, "axes y, x, q"),
        ({"multiscales": [{"axes": ["y", "x"], "datasets": []}]}, "cannot be understood|missing"),
    ],
)
def test_metadata_that_are_not_of_a_slide(facts: dict, sentence: str, tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").attrs["ome"] = facts
    with pytest.raises(SlideError, match=sentence):
        image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 9, 9), np.uint16), r"3 channel\(s\) of uint16 are not 8-bit colour"),
        (np.zeros((2, 9, 9), np.uint8), r"2 channel\(s\) of uint8 are not 8-bit colour"),
        (np.zeros((9, 9), np.uint8), "have 2 dimensions, but 3 axes"),
    ],
)
def test_pixels_that_are_not_rgb(array: np.ndarray, sentence: str, tmp_path: Path) -> None:
    group = write_ome_zarr(tmp_path / "a.zarr", PIXELS, levels=1)
    del group["0"]
    group.create_array("0", data=array)
    with pytest.raises(SlideError, match=sentence):
        image(tmp_path / "a.zarr")
