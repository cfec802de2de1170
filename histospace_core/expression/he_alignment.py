"""Alignment of an H&E image with Xenium, as Xenium Explorer exports it."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import choose
from histospace_core.files import is_hidden

ALIGNMENTS = (
    "*he_imagealignment.csv",
    "*he_image_alignment.csv",
    "*he_image_matrix.csv",
    "*_alignment_files/matrix.csv",
)

PIXEL_UM = (0.05, 5.0)  # of an H&E slide


def hidden_in(path: Path, folder: Path) -> bool:
    """Return whether a path below a folder is one that a system makes for itself."""
    return any(is_hidden(part) for part in path.relative_to(folder).parts)


def read_alignment(path: Path) -> NDArray[np.float64]:
    """Read an alignment matrix (3, 3) as Xenium Explorer exports it.

    Raises
    ------
    MeasurementError
        The file is not an invertible affine matrix.
    """
    try:
        table = pd.read_csv(path, header=None, nrows=10).to_numpy(dtype=np.float64)
    except (OSError, ValueError):
        table = np.empty((0, 0))
    good = table.shape == (3, 3) and bool(np.isfinite(table).all())
    if not good or not np.allclose(table[2], (0, 0, 1)) or abs(np.linalg.det(table)) < 1e-9:
        raise MeasurementError(
            "the file is not an affine matrix of three rows and columns that ends in 0,0,1",
            path=path,
            remedy="export the alignment matrix (not the keypoints) from Xenium Explorer",
        )
    return table


def find_alignment(sample: Path, given: str | None, source: Path) -> Path:
    """Return the alignment file of a Xenium folder.

    Raises
    ------
    MeasurementError
        There is none, or there are several and `given` names none of them.
    """
    found = {
        str(p.relative_to(sample)): p
        for pattern in ALIGNMENTS
        for p in sorted(sample.glob(pattern))
        if p.is_file() and not hidden_in(p, sample) and "if_image" not in str(p.relative_to(sample))
    }
    if not found:
        raise MeasurementError(
            "there is no *_he_imagealignment.csv, so nothing ties the positions to the H&E slide",
            path=source,
            remedy="align the H&E image in Xenium Explorer, download the alignment matrix and put "
            "it into this folder as H&E_he_imagealignment.csv",
        )
    return found[choose("library", list(found), given, source)]


def slide_matrix(alignment: Path, pixel_um: float) -> tuple[NDArray[np.float64], float]:
    """Return the matrix (3, 3) from um of Xenium to pixels of the H&E slide, and its pixel in um.

    An alignment leads from pixels of the H&E image to pixels of the morphology image:
    https://kb.10xgenomics.com/hc/en-us/articles/35386990499853

    Parameters
    ----------
    pixel_um
        Width of a pixel of the morphology image, um.

    Raises
    ------
    MeasurementError
        The alignment is not a matrix, or not one of a slide.
    """
    to_morphology = read_alignment(alignment)
    he_um = pixel_um * float(np.sqrt(abs(np.linalg.det(to_morphology))))
    if not PIXEL_UM[0] <= he_um <= PIXEL_UM[1]:
        raise MeasurementError(
            f"by this alignment, a pixel of the H&E slide is {he_um:.3g} um wide",
            path=alignment,
            remedy="export the alignment matrix from Xenium Explorer again",
        )
    matrix: NDArray[np.float64] = np.linalg.inv(to_morphology).astype(np.float64)
    return matrix @ np.diag([1 / pixel_um, 1 / pixel_um, 1.0]), he_um
