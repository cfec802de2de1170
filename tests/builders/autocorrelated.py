"""Counts of a section whose rates differ from a map by smooth random fields."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from histospace_core.uncertainty import MapEvidence, map_evidence

PITCH_UM = 200.0


@dataclass(frozen=True, eq=False)
class SmoothSection:
    """Counts, what a network shows, and what is true.

    Attributes
    ----------
    shown, true : (spots, genes)
        log10 counts per 10,000, predicted and true.
    """

    counts: sparse.csr_matrix
    depths: np.ndarray
    xy_um: np.ndarray
    shown: np.ndarray
    true: np.ndarray
    genes: tuple[str, ...]


def smooth_section(
    seed: int,
    *,
    slope: np.ndarray | float,
    n_genes: int = 60,
    side: int = 16,
    share: float = 0.8,
    range_um: float = 500.0,
    sd: float = 0.12,
    depth: float = 8_000.0,
) -> SmoothSection:
    """A section of which a network shows a smooth map; the truth has `slope` of it, and a residual.

    The residual is a Gaussian field of standard deviation `sd` (log10) with correlation
    `share` * exp(-distance / `range_um`).
    """
    rng = np.random.default_rng(seed)
    xy = np.argwhere(np.ones((side, side)))[:, ::-1] * PITCH_UM
    distance = cdist(xy, xy)
    alike = np.where(distance > 0, share * np.exp(-distance / range_um), 1.0)
    root = np.linalg.cholesky(alike + 1e-9 * np.eye(len(xy)))
    shown = 0.12 * root @ rng.normal(size=(len(xy), n_genes))
    residual = sd * root @ rng.normal(size=shown.shape) - sd**2 * np.log(10) / 2
    mean = rng.uniform(0.3, 1.5, n_genes)
    true = mean + slope * shown + residual
    depths = rng.lognormal(np.log(depth), 0.5, len(xy))
    counts = rng.poisson(depths[:, None] * 10**true / 1e4)
    genes = tuple(f"G{i}" for i in range(n_genes))
    return SmoothSection(sparse.csr_matrix(counts), depths, xy, shown + mean, true, genes)


def evidence_of(section: SmoothSection, name: str = "A1") -> MapEvidence:
    """What the counts say about the map, for a patient named by the first letter of `name`."""
    return map_evidence(
        name, name[0], section.genes, section.counts, section.depths, section.shown, section.xy_um
    )
