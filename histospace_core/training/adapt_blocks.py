"""Spatial blocks of one section, which are held out in turn."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from histospace_core.evaluation import HeldOut
from histospace_core.training.cohort import SectionData

HALVINGS = 2
"""Two halvings give four blocks."""
PIECES = 4
"""Four halvings give the pieces of `mean_within_blocks`."""


def spatial_blocks(centres: NDArray[np.float64], halvings: int = HALVINGS) -> NDArray[np.intp]:
    """Return the block of each spot, (n,): halves of halves, each cut across its longer side.

    Blocks are compact, so that few held-out spots have a neighbour in the training.

    Parameters
    ----------
    centres
        Spot centres, (n, 2).
    """
    parts = [np.arange(len(centres))]
    for _ in range(halvings):
        parts = [half for part in parts for half in _halves(part, centres)]
    block = np.empty(len(centres), np.intp)
    for i, part in enumerate(parts):
        block[part] = i
    return block


def _halves(part: NDArray[np.intp], centres: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    axis = int(np.ptp(centres[part], axis=0).argmax())
    return np.array_split(part[np.argsort(centres[part, axis], kind="stable")], 2)


def part_of(section: SectionData, rows: NDArray[np.intp], name: str) -> SectionData:
    """Return some spots of a section as a section of their own."""
    return SectionData(
        replace(section.section, name=name),
        tuple(view[rows] for view in section.views),
        section.measured[rows],
        section.margins,
        section.groups_of(rows),
    )


def of_genes(held: HeldOut, genes: tuple[str, ...]) -> HeldOut:
    """Return a prediction of some of its genes."""
    place = {gene: i for i, gene in enumerate(held.genes)}
    columns = np.array([place[gene] for gene in genes])
    return replace(
        held,
        genes=genes,
        measured=held.measured[:, columns],
        predicted=held.predicted[:, columns],
        mean_profile=held.mean_profile[columns],
        counts=None if held.counts is None else held.counts[:, columns],
        counted=held.counted[columns],
    )


def mean_within_blocks(held: list[HeldOut]) -> tuple[float, float]:
    """Return the 99 % interval of the correlation within blocks, averaged over blocks and genes.

    A correlation is a mean over spots. It is taken over 16 pieces of the section first, whose means
    are nearly independent, unlike neighbouring spots, and Student's t gives their interval.
    """
    varies = np.all([np.ptp(h.measured, axis=0) > 0 for h in held], axis=0)
    if not varies.any():
        return 0.0, 0.0
    products = np.concatenate(
        [
            (_standardised(h.measured[:, varies]) * _standardised(h.predicted[:, varies])).mean(1)
            for h in held
        ]
    )
    piece = spatial_blocks(np.concatenate([h.centres for h in held]), PIECES)
    means = np.array([products[piece == i].mean() for i in range(piece.max() + 1)])
    half = stats.t.ppf(0.995, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return float(means.mean() - half), float(means.mean() + half)


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each column with mean 0 and variance 1; a constant one is 0."""
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    return centred / np.maximum(centred.std(0), 1e-9)
