"""Held-out sections on a small lattice, for tests of evaluation."""

import numpy as np
from scipy import ndimage, sparse

from histospace_core.evaluation import HeldOut

SIDE = 12
PITCH = 290.0


def lattice(side: int = SIDE) -> np.ndarray:
    """Centres of a square lattice of spots, level-0 px."""
    return np.argwhere(np.ones((side, side)))[:, ::-1] * PITCH + 500.0


def smooth_maps(
    rng: np.random.Generator, n_genes: int, side: int = SIDE, sigma: float = 1.0
) -> np.ndarray:
    """Independent maps of unit variance (spots, genes), smooth over about `sigma` spots."""
    maps = [
        ndimage.gaussian_filter(rng.normal(size=(2 * side, 2 * side)), sigma)[:side, :side].ravel()
        for _ in range(n_genes)
    ]
    values = np.array(maps).T
    return values / values.std()


def make_held(
    measured: np.ndarray,
    predicted: np.ndarray,
    *,
    section: str = "S1",
    patient: str = "S",
    counts: np.ndarray | None = None,
    mean: np.ndarray | None = None,
    genes: tuple[str, ...] | None = None,
) -> HeldOut:
    """A held-out section on the lattice; its profile is the measured mean unless given."""
    n_genes = measured.shape[1]
    return HeldOut(
        section,
        patient,
        genes or tuple(f"G{i}" for i in range(n_genes)),
        measured.astype(np.float32),
        predicted.astype(np.float32),
        (measured.mean(0) if mean is None else mean).astype(np.float32),
        None if counts is None else sparse.csr_matrix(counts),
        lattice(round(len(measured) ** 0.5)),
        np.ones(n_genes, bool),
    )
