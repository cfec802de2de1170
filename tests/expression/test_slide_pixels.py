"""Which image of a SpatialData store is the slide."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from histospace_core.expression.slide_pixels import NoSlide, place


def scale(factor: float, axes: str, system: str = "global") -> dict:
    return {
        "type": "scale",
        "scale": [1.0 if axis == "c" else factor for axis in axes],
        "input": {"axes": [{"name": axis} for axis in axes]},
        "output": {"name": system},
    }


def store(folder: Path, *transformations: dict) -> tuple[zarr.Group, zarr.Group]:
    root = zarr.create_group(folder / "s.zarr")
    spots = root.create_group("shapes/spots")
    spots.attrs["coordinateTransformations"] = list(transformations)
    return root, spots


def add_image(root: zarr.Group, name: str, factor: float = 1.0, channels: int = 3) -> None:
    group = root.create_group(f"images/{name}")
    group.create_array("0", shape=(channels, 30, 40), dtype="u1")
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": axis} for axis in "cyx"],
            "datasets": [{"path": "0"}],
            "coordinateTransformations": [scale(factor, "cyx")],
        }
    ]


def test_positions_become_pixels_of_the_only_image(tmp_path: Path) -> None:
    root, spots = store(tmp_path, scale(6.0, "xy"))
    add_image(root, "he", 2.0)
    placed = place(root, spots)
    assert placed.image == "he"
    assert placed.scale == pytest.approx(3)
    assert (placed.to_slide @ [1, 2, 1]).tolist() == [3, 6, 1]
    assert "image he (40 x 30)" in placed.note


@pytest.mark.parametrize("name", ["s_hires_image", "s_lowres_image", "morphology_focus"])
def test_other_images_are_no_slide(tmp_path: Path, name: str) -> None:
    root, spots = store(tmp_path, scale(1.0, "xy"))
    add_image(root, name)
    assert place(root, spots).image == ""
    add_image(root, "dapi", channels=1)
    placed = place(root, spots)
    assert placed.image == ""
    assert "no full-resolution H&E image" in placed.note
    assert np.array_equal(placed.to_slide, np.eye(3))


def test_two_images_are_refused_by_name(tmp_path: Path) -> None:
    root, spots = store(tmp_path, scale(1.0, "xy"))
    add_image(root, "he")
    add_image(root, "other")
    with pytest.raises(NoSlide, match=r"2 images could be the slide \(he, other\)"):
        place(root, spots)


def test_coordinate_systems_that_differ_are_refused(tmp_path: Path) -> None:
    root, spots = store(tmp_path, scale(1.0, "xy", "a"), scale(2.0, "xy", "b"))
    with pytest.raises(NoSlide, match=r"2 coordinate systems \(a, b\)"):
        place(root, spots)
