"""A thumbnail of the slide with the outline of the tissue that will be predicted."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.segmentation import find_boundaries

#: Colour of the tissue outline: a green that does not occur in H&E.
OUTLINE = (0, 158, 115)


def outline_tissue(
    thumbnail: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], *, width: int = 2
) -> npt.NDArray[np.uint8]:
    """Draw the outline of the tissue on a thumbnail of the slide.

    Parameters
    ----------
    thumbnail : ndarray of uint8, shape (h, w, 3)
        The whole slide.
    mask : ndarray of bool, any shape
        Tissue mask of the whole slide; it is resized to the thumbnail.
    width : int
        Width of the line, px.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        A new image, in which glass is slightly dimmed.
    """
    h, w = thumbnail.shape[:2]
    resized = np.asarray(Image.fromarray(mask).resize((w, h), Image.Resampling.NEAREST), dtype=bool)
    edge = find_boundaries(resized, mode="inner")
    for _ in range(width - 1):
        edge = find_boundaries(edge, mode="thick") | edge
    picture = thumbnail.copy()
    picture[~resized] = (0.75 * picture[~resized] + 0.25 * 128).astype(np.uint8)
    picture[edge] = OUTLINE
    return picture
