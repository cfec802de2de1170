"""A thumbnail with the outline of the tissue that would be predicted."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.segmentation import find_boundaries

#: The tissue's outline: a green that H&E does not contain.
OUTLINE = (0, 158, 115)


def outline_tissue(
    thumbnail: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], *, width: int = 2
) -> npt.NDArray[np.uint8]:
    """Draw the outline of the tissue on a picture of the slide.

    Parameters
    ----------
    thumbnail : ndarray of uint8, shape (h, w, 3)
        The whole slide.
    mask : ndarray of bool, any shape
        Tissue, over the whole slide too; resized to the picture.
    width : int
        Of the line, px.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        A new picture; glass is dimmed a little.
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
