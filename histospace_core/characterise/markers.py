"""Genes that differ between regions, tested against regions laid elsewhere on the tissue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from histospace_core.characterise.expression import log_expression
from histospace_core.characterise.placements import LEAST_KEPT, placements
from histospace_core.errors import MeasurementError
from histospace_core.evaluation.significance import q_values

SMALLEST_REGION = 5


@dataclass(frozen=True)
class Markers:
    """Genes tested between regions.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a region and gene, best first within a region: ``region, gene, n_tiles, mean_in,
        mean_out, difference, ci_low, ci_high, effect_size, p_value, q_value``. `difference` is in
        the unit of expression, with its 95 % interval; `effect_size` divides it by the standard
        deviation within the two sides (Cohen's d); q-values are Benjamini-Hochberg over all rows.
    n_genes, n_tested : int
        Genes with expression, and those that were tested.
    left_out : tuple of str
        Regions too small to test.
    """

    table: pd.DataFrame
    n_genes: int
    n_tested: int
    left_out: tuple[str, ...]

    @property
    def share_tested(self) -> float:
        """Share of the genes that pass the reliability rule and were tested."""
        return self.n_tested / self.n_genes


def find_markers(
    table: AnnData,
    regions: ArrayLike,
    *,
    versus: str | None = None,
    reliable_only: bool = True,
    n_placements: int = 199,
    seed: int = 0,
) -> Markers:
    """Compare each region with the rest of the tissue, or with the region `versus`.

    Neighbouring tiles repeat each other, so a test that counts tiles finds differences in pure
    noise. Here the same difference is taken for the regions laid elsewhere (`placements`), on what
    the regions do not explain; its root mean square is the standard error that gives the interval
    and, with a normal law, the p-value. Permuted blocks and phase-randomised surrogates did not
    hold their level on every simulated noise; this did (`benchmarks/markers.py`).

    Where the regions are domains found on these very genes, the genes have been used twice: the
    q-values then rank genes, they do not show that the domains exist.

    Parameters
    ----------
    table : AnnData
        Tiles x genes with ``obsm["spatial"]``, as for `find_domains`.
    regions : (n,) of str or int
        Region of each tile; "", -1 and missing values are tiles that take no part.
    versus : str, optional
        Region to compare the others with.
    reliable_only : bool
        Test only genes with ``var["reliable"]``, where the table has that column.
    n_placements : int
    seed : int

    Raises
    ------
    MeasurementError
        Fewer than two regions are large enough, `versus` is none of them, or no gene is reliable.
    """
    names, labels = _labels(regions, table.n_obs)
    expression, genes = log_expression(table)
    n_genes = len(genes)
    if reliable_only and "reliable" in table.var:
        reliable = table.var.loc[genes, "reliable"].to_numpy(bool)
        if not reliable.any():
            raise MeasurementError("No gene of this model is reliable; test all genes instead.")
        expression, genes = expression[:, reliable], genes[reliable]
    known = (labels >= 0) & np.isfinite(expression).all(1)
    sizes = np.bincount(labels[known], minlength=len(names))
    small = sizes < SMALLEST_REGION
    if (~small).sum() < 2:
        raise MeasurementError(
            f"Markers need two regions of at least {SMALLEST_REGION} tiles with expression; "
            f"there are {(~small).sum()}."
        )
    other = _other(versus, names, small)
    tested = [int(r) for r in np.flatnonzero(~small) if r != other]
    everywhere = np.isfinite(expression).all(1)
    labels, expression = np.where(known, labels, -1)[everywhere], expression[everywhere]
    centres = np.asarray(table.obsm["spatial"], dtype=np.float64)[everywhere]
    centred = expression.astype(np.float32) - expression.mean(0, dtype=np.float64).astype(
        np.float32
    )
    difference = contrasts(labels, tested, other).T @ centred
    error = _null_error(centred, labels, centres, tested, other, n_placements, seed)
    rows = [
        _rows(names[r], expression, labels, r, other, difference[i], error[i], genes)
        for i, r in enumerate(tested)
    ]
    found = pd.concat(rows, ignore_index=True)
    found["q_value"] = q_values(found["p_value"].to_numpy())
    order = found.assign(size=-found["effect_size"].abs())
    found = found.loc[order.sort_values(["region", "p_value", "size"], kind="stable").index]
    left_out = tuple(names[small])
    return Markers(found.reset_index(drop=True), n_genes, len(genes), left_out)


def contrasts(
    labels: NDArray[np.intp], tested: Sequence[int], other: int | None
) -> NDArray[np.float32]:
    """Weights (n, tested) whose product with expression is mean inside minus mean outside."""
    columns = []
    for region in tested:
        inside = labels == region
        outside = (labels >= 0) & ~inside if other is None else labels == other
        weight = inside / max(inside.sum(), 1) - outside / max(outside.sum(), 1)
        columns.append(weight.astype(np.float32))
    return np.column_stack(columns)


def _labels(regions: ArrayLike, n: int) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Names of the regions and the index of each tile's, -1 for none."""
    column = pd.Series(np.asarray(regions))
    if len(column) != n:
        raise MeasurementError(f"There are {len(column)} region labels for {n} tiles.")
    none = column.isna() | column.isin(["", -1, "-1"])
    codes, names = pd.factorize(column.astype("string").where(~none), sort=True)
    return np.asarray(names, dtype=str), codes.astype(np.intp)


def _other(versus: str | None, names: NDArray[np.str_], small: NDArray[np.bool_]) -> int | None:
    if versus is None:
        return None
    if versus not in names[~small]:
        raise MeasurementError(f"No region '{versus}' of at least {SMALLEST_REGION} tiles.")
    return int(np.flatnonzero(names == versus)[0])


def _null_error(
    centred: NDArray[np.float32],
    labels: NDArray[np.intp],
    centres: NDArray[np.float64],
    tested: Sequence[int],
    other: int | None,
    number: int,
    seed: int,
) -> NDArray[np.float64]:
    """Standard error of each difference under the placements, (tested, genes).

    What the regions explain is taken out first, or a region as large as half the tissue would be
    its own noise. A placement that lies on the region itself then has little left to show: its
    part of the null is (1 - |r|)^2, r its cosine with the region. White noise would need
    1 - r^2; the smaller weight was chosen by simulation, for noise that is smooth.
    """
    own = contrasts(labels, tested, other)
    inside, outside = own > 0, own < 0
    means = [
        ((side / np.maximum(side.sum(0), 1)).astype(np.float32).T @ centred)
        for side in (inside, outside)
    ]
    squares, counted = np.zeros(means[0].shape), np.zeros(len(tested))
    for source in placements(centres, number, seed):
        placed = np.where(source >= 0, labels[source], -1)
        weights = contrasts(placed, tested, other)
        kept = np.minimum(
            (weights > 0).sum(0) / inside.sum(0), (weights < 0).sum(0) / outside.sum(0)
        )
        lengths = (weights**2).sum(0) * (own**2 * (weights != 0)).sum(0)
        cosine = (weights * own).sum(0) / np.sqrt(np.maximum(lengths, 1e-30))
        share = np.where(kept >= LEAST_KEPT, (1 - np.minimum(np.abs(cosine), 1)) ** 2, 0)
        left = weights.T @ centred
        for side, mean in zip((inside, outside), means, strict=True):
            left -= (weights * side).sum(0)[:, None] * mean
        squares += np.where(share > 0, 1, 0)[:, None] * left.astype(np.float64) ** 2
        counted += share
    return np.sqrt(squares / np.where(counted > 0, counted, np.nan)[:, None])


def _rows(
    name: str,
    expression: NDArray[np.floating],
    labels: NDArray[np.intp],
    region: int,
    other: int | None,
    difference: NDArray[np.floating],
    error: NDArray[np.float64],
    genes: NDArray[np.str_],
) -> pd.DataFrame:
    inside = labels == region
    outside = (labels >= 0) & ~inside if other is None else labels == other
    a, b = expression[inside], expression[outside]
    within = (len(a) * a.var(0, dtype=np.float64) + len(b) * b.var(0, dtype=np.float64)) / (
        len(a) + len(b)
    )
    spread = np.where(within > 0, np.sqrt(within), np.nan)
    valid = np.where(error > 0, error, np.nan)
    half = stats.norm.ppf(0.975) * valid
    return pd.DataFrame(
        {
            "region": name,
            "gene": genes,
            "n_tiles": int(inside.sum()),
            "mean_in": a.mean(0, dtype=np.float64),
            "mean_out": b.mean(0, dtype=np.float64),
            "difference": difference.astype(np.float64),
            "ci_low": difference - half,
            "ci_high": difference + half,
            "effect_size": difference / spread,
            "p_value": 2 * stats.norm.sf(np.abs(difference) / valid),
        }
    )
