"""Test whether one method predicts better than another on the same held-out sections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from histospace_core.errors import CohortError
from histospace_core.evaluation.held_out import HeldOut
from histospace_core.evaluation.metrics import Matrix, per_gene_pearson
from histospace_core.evaluation.significance import q_values
from histospace_core.evaluation.spatial import pitch

MIN_BLOCK = 4
"""Smallest side of a block, in spots; `block_side` returns more if errors correlate further."""
_UNRELATED = 0.2
"""Autocorrelation below which two spots count as independent."""
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Paired:
    """Method A compared with method B by per-gene correlation.

    Attributes
    ----------
    mean_a, mean_b, difference
        Mean over genes within a section, then over sections; A minus B.
    wilcoxon_p
        Signed-rank test over genes. It is too small, because it assumes independent genes; a
        tissue type changes hundreds together. Use `permutation_p`.
    permutation_p
        Two-sided spatial block sign-flip test of `difference`.
    n_blocks
        Number of blocks of spots: `permutation_p` cannot fall below 2 / 2^n_blocks.
    share_of_genes_better
        Share of genes whose correlation is higher with A.
    genes
        gene, a, b, difference, p_value, q_value (Benjamini-Hochberg over genes); a, b and
        difference are means over the sections in which the gene was scored.
    """

    mean_a: float
    mean_b: float
    difference: float
    wilcoxon_p: float
    permutation_p: float
    n_blocks: int
    n_sections: int
    share_of_genes_better: float
    genes: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but `genes`, with the numbers of significant genes in its place."""
        significant = self.genes["q_value"] < ALPHA
        return {
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "difference": self.difference,
            "permutation_p": self.permutation_p,
            "wilcoxon_p": self.wilcoxon_p,
            "wilcoxon_note": "too small, because it assumes independent genes: use permutation_p",
            "n_blocks": self.n_blocks,
            "n_sections": self.n_sections,
            "n_genes": len(self.genes),
            "share_of_genes_better": self.share_of_genes_better,
            "n_genes_a_better": int((significant & (self.genes["difference"] > 0)).sum()),
            "n_genes_b_better": int((significant & (self.genes["difference"] < 0)).sum()),
        }


def compare_methods(
    a: Sequence[HeldOut],
    b: Sequence[HeldOut],
    *,
    block: int | None = None,
    n_permutations: int = 4999,
    seed: int = 0,
) -> Paired:
    """Compare two methods on the same sections; several predictions of a section are its seeds.

    The permutation test works as follows. With z the standardised measurement and u, v the
    standardised predictions, r_A - r_B of a gene is the mean over spots of d = z(u - v). Under the
    null hypothesis the methods are exchangeable in any part of the tissue, and an exchange changes
    the sign of d there. Random signs are therefore drawn for blocks of `block` x `block` spots, the
    same sign for all genes. Flipping blocks instead of spots preserves the spatial autocorrelation
    of the errors; flipping all genes together preserves their correlation. Shifting or rotating a
    map would test another hypothesis, that a prediction is unrelated to the measurement. The
    difference field is that of Hering & Genton (2011, Technometrics 53:414); sign changes over few
    large clusters are justified by Canay, Romano & Shaikh (2017, Econometrica 85:1013), exchange of
    whole blocks by Winkler et al. (2015, NeuroImage 123:253).

    The test generalises to other parts of these sections, not to other patients. On simulated maps
    of 17 x 17 spots from equally good methods it rejects 2-6 % at the 5 % level if the difference
    is autocorrelated over two spots, as between two methods that use the image, and 11-13 % over
    four or more: do not count a p near 0.05 as evidence.

    Parameters
    ----------
    a, b
        Predictions of the same sections; genes are matched by name.
    block
        Side of a block in spots; if None, `block_side` chooses it for each section.

    Raises
    ------
    CohortError
        The methods predict different sections or spots, or share no gene that varies.
    """
    _require_same_sections(a, b)
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(h.section for h in a))
    parts = [_section(name, a, b, block) for name in names]
    genes = pd.Index(dict.fromkeys(g for part in parts for g in part.genes))
    r = np.full((2, len(parts), len(genes)), np.nan)
    flipped = np.zeros((n_permutations, len(genes)))
    n_scored = np.zeros(len(genes))
    overall = np.zeros(n_permutations)
    for i, part in enumerate(parts):
        columns = genes.get_indexer(pd.Index(part.genes))
        r[0, i, columns], r[1, i, columns] = part.r_a, part.r_b
        signs = rng.choice([-1.0, 1.0], size=(n_permutations, len(part.blocks)))
        null = signs @ part.blocks
        flipped[:, columns] += null
        n_scored[columns] += 1  # sections differ in the genes that vary
        overall += null.mean(1) / len(parts)  # genes, then sections, as in mean_a
    per_gene = np.nanmean(r, axis=1)
    difference = per_gene[0] - per_gene[1]
    of_section = np.nanmean(r, axis=2)
    mean_a, mean_b = of_section.mean(1)
    p = _p_value(flipped / n_scored, difference)
    table = pd.DataFrame(
        {
            "gene": genes,
            "a": per_gene[0],
            "b": per_gene[1],
            "difference": difference,
            "p_value": p,
            "q_value": q_values(p),
        }
    )
    return Paired(
        mean_a=float(mean_a),
        mean_b=float(mean_b),
        difference=float(mean_a - mean_b),
        wilcoxon_p=float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0,
        permutation_p=float(_p_value(overall[:, None], np.array([mean_a - mean_b]))[0]),
        n_blocks=sum(len(part.blocks) for part in parts),
        n_sections=len(parts),
        share_of_genes_better=float((difference > 0).mean()),
        genes=table,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """One section: the genes that vary, both correlations, block sums of the difference field.

    The sum of `blocks` (blocks, genes) over blocks is r_a - r_b.
    """

    genes: list[str]
    r_a: NDArray[np.float64]
    r_b: NDArray[np.float64]
    blocks: NDArray[np.float64]


def block_side(difference: NDArray[np.float64], centres: NDArray[np.floating]) -> int:
    """Return the side, in spots, at which blocks are nearly independent.

    It is twice the lag at which the autocorrelation of `difference` (spots,) falls below 0.2; at
    least `MIN_BLOCK`, and at most a third of the section's width, which leaves about nine blocks.
    """
    largest = max(MIN_BLOCK, int(np.ceil(np.sqrt(len(centres)) / 3)))
    centred = difference - difference.mean()
    power = (centred**2).mean()
    distance = squareform(pdist(centres)) / pitch(centres)
    for lag in range(1, largest // 2 + 1):  # a side is twice its lag
        pairs = (np.abs(distance - lag) <= 0.5).astype(np.float64)
        related = centred @ pairs @ centred / max(pairs.sum(), 1.0)
        if related < _UNRELATED * power:
            return max(MIN_BLOCK, 2 * lag)
    return largest


def blocks_of(centres: NDArray[np.floating], side: int) -> NDArray[np.intp]:
    """Return the index of the block of `side` x `side` spots that each spot lies in, (spots,)."""
    step = pitch(centres)
    # half a pitch off the lattice, so that no spot lies on a border
    corner = centres.min(0) - step / 2
    cell = np.floor((centres - corner) / (side * step)).astype(np.intp)
    return np.unique(cell, axis=0, return_inverse=True)[1].ravel()  # NumPy 2.0 gives a column


def _section(name: str, a: Sequence[HeldOut], b: Sequence[HeldOut], block: int | None) -> _Part:
    sides = [[h for h in side if h.section == name] for side in (a, b)]
    first = sides[0][0]
    shared = set(first.genes).intersection(*(h.genes for side in sides for h in side))
    common = [g for g in first.genes if g in shared]
    measured = _columns(first, common, first.measured)
    varies = np.ptp(measured, axis=0) > 0
    if not varies.any():
        raise CohortError(
            f"The two methods share no gene that varies in section '{name}'; compare methods that "
            "were trained on the same sections."
        )
    genes = [g for g, v in zip(common, varies, strict=True) if v]
    measured = measured[:, varies]
    z = _standardise(measured)
    scores, fields = [], []
    for side in sides:
        predicted = [_columns(h, genes, h.predicted) for h in side]
        r = np.array([per_gene_pearson(measured, y) for y in predicted])
        # a constant prediction has r = 0, so it must not contribute to the difference either
        field = [z * _standardise(y) * (s != 0) for y, s in zip(predicted, r, strict=True)]
        scores.append(r.mean(0))
        fields.append(np.mean(field, axis=0))
    difference = (fields[0] - fields[1]) / len(z)
    side_length = block or block_side(difference.mean(1), first.centres)
    label = blocks_of(first.centres, side_length)
    sums = np.zeros((label.max() + 1, len(genes)))
    np.add.at(sums, label, difference)  # `sums[label] +=` would add one spot per block
    return _Part(genes, scores[0], scores[1], sums)


def _require_same_sections(a: Sequence[HeldOut], b: Sequence[HeldOut]) -> None:
    spots = [{h.section: h.centres for h in side} for side in (a, b)]
    only = sorted(set(spots[0]) ^ set(spots[1]))
    if only or not spots[0]:
        what = f"section '{only[0]}' is missing from one" if only else "there are none"
        raise CohortError(
            f"The two methods were not evaluated on the same sections ({what}); evaluate both on "
            "the same folds."
        )
    for held in (*a, *b):
        known = spots[0][held.section]
        if known.shape != held.centres.shape or not np.allclose(known, held.centres, atol=1.0):
            raise CohortError(
                f"The two methods predicted different spots of section '{held.section}'; evaluate "
                "both on the same cohort table."
            )


def _columns(held: HeldOut, genes: list[str], values: Matrix) -> Matrix:
    return values[:, pd.Index(held.genes).get_indexer(pd.Index(genes))]


def _standardise(values: Matrix) -> NDArray[np.float64]:
    centred = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    return centred / np.maximum(centred.std(0), 1e-12)  # 0 for a constant gene


def _p_value(null: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return two-sided p-values; the observed labelling counts as a permutation, so none is 0."""
    extreme = (np.abs(null) >= np.abs(observed) - 1e-12).sum(0)  # ties count despite rounding
    return (1 + extreme) / (1 + len(null))
