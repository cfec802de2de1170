"""Which pixels the positions of a SpatialData store are measured in."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from histospace_core.expression.transformations import Matrix3, systems
from histospace_core.expression.zarr_store import Group

# as spatialdata-io names what is smaller than the slide, or is not H&E
_NOT_THE_SLIDE = ("hires", "lowres", "cytassist", "downscaled", "if_image", "morphology", "umi")


class NoSlide(ValueError):  # noqa: N818 - a finding, which the reader words
    """The store does not say where its positions lie on the slide."""


@dataclass(frozen=True)
class Placed:
    """How an element lies on the slide.

    Attributes
    ----------
    to_slide : matrix (3, 3) from the element's coordinates to level-0 px.
    image : name of the image whose pixels are meant, "" if there is none.
    note : a sentence that says so.
    """

    to_slide: Matrix3
    image: str
    note: str

    @property
    def scale(self) -> float:
        """Level-0 px in one unit of the element."""
        return float(np.sqrt(abs(np.linalg.det(self.to_slide))))


def place(root: Group, element: Group) -> Placed:
    """Find the H&E image that shares a coordinate system with an element.

    Without such an image the coordinate system itself is taken, for it is the full-resolution
    image in stores of Visium.

    Raises
    ------
    NoSlide
        Several images or coordinate systems fit.
    """
    own = systems(element.attrs["coordinateTransformations"])
    own = {name: m for name, m in own.items() if "_downscaled_" not in name}
    pictures = _slides(root)
    shared = {
        (image, system): np.linalg.inv(matrices[system]) @ own[system]
        for image, (matrices, _) in pictures.items()
        for system in own
        if system in matrices
    }
    images = sorted({image for image, _ in shared})
    if len(images) > 1:
        raise NoSlide(f"{len(images)} images could be the slide ({', '.join(images[:8])})")
    if images:
        found = [matrix for (_, _), matrix in shared.items()]
        if not all(np.allclose(found[0], other, rtol=1e-9) for other in found):
            raise NoSlide(f"its coordinate systems place {images[0]} differently")
        height, width = pictures[images[0]][1]
        note = f"Positions are in pixels of the image {images[0]} ({width} x {height})."
        return Placed(found[0], images[0], note)
    name = _only_system(own)
    note = (
        f"The store holds no full-resolution H&E image; the coordinate system {name} is taken for "
        "the pixels of the slide."
    )
    return Placed(own[name], "", note)


def _only_system(own: dict[str, Matrix3]) -> str:
    if not own:
        raise NoSlide("it has no coordinate system")
    first, *others = own
    if not all(np.allclose(own[first], own[other]) for other in others):
        raise NoSlide(f"it has {len(own)} coordinate systems ({', '.join(list(own)[:8])})")
    return first


def _slides(root: Group) -> dict[str, tuple[dict[str, Matrix3], tuple[int, int]]]:
    """Return each image that may be the slide: its matrices, and its height and width."""
    found = {}
    for name, group in root["images"].groups() if "images" in root else ():
        attrs: dict[str, Any] = dict(group.attrs)
        attrs = attrs.get("ome", attrs)
        scales = attrs["multiscales"][0]
        axes = [axis["name"] for axis in scales["axes"]]
        shape = dict(zip(axes, group[scales["datasets"][0]["path"]].shape, strict=True))
        labels = [str(c["label"]).lower() for c in attrs.get("omero", {}).get("channels", ())]
        named = labels[:3] in (["r", "g", "b"], ["red", "green", "blue"])
        colours = named or (shape.get("c") == 3 and labels[:3] in ([], ["0", "1", "2"]))
        if colours and not any(word in name.lower() for word in _NOT_THE_SLIDE):
            matrices = systems(scales["coordinateTransformations"])
            found[name] = (matrices, (shape["y"], shape["x"]))
    return found
