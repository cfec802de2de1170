"""Genes that differ between regions, tested against random placements of the regions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from histospace_core.characterise.contrasts import Moments, contrasts, moments, null_error
from histospace_core.characterise.expression import log_expression
from histospace_core.errors import MeasurementError
from histospace_core.evaluation.significance import q_values

SMALLEST_REGION = 5


@dataclass(frozen=True)
class Markers:
    """Genes tested between regions.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per region and gene: ``region, gene, n_tiles, mean_in, mean_out, difference, ci_low,
        ci_high, effect_size, least_effect, reliable, p_value, q_value``. `difference` is in the
        unit of expression, with its 95 % interval; `effect_size` divides it by the standard
        deviation within the two sides (Cohen's d); `least_effect` is the end of its interval
        nearer to zero, or 0 if the interval contains zero. The genes of a region are sorted by
        `least_effect`, largest first. q-values are Benjamini-Hochberg over all rows.
    n_genes, n_tested : int
        Genes with expression, and those that were tested.
    left_out : tuple of str
        Regions too small to test.
    """

    table: pd.DataFrame
    n_genes: int
    n_tested: int
    left_out: tuple[str, ...]


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

    Neighbouring tiles are correlated, so a test that treats tiles as independent finds differences
    in pure noise. Here the same difference is computed for random placements of the regions
    (`placements`) on the residuals that the regions do not explain. Its root mean square is the
    standard error, which gives the interval and, by Student's t with as many degrees of freedom as
    there were placements, the p-value. On simulated noise this test kept its nominal level;
    permuted blocks and phase-randomised surrogates did not always do so
    (`benchmarks/markers.py`).

    The p-values are not valid if the regions are domains found on the same genes: on noise with
    few sources of variation, like that of predicted maps, most genes became significant. Use the
    effect sizes instead.

    Parameters
    ----------
    table : AnnData
        Tiles x genes with ``obsm["spatial"]``, as for `find_domains`.
    regions : (n,) of str or int
        Region of each tile; tiles with "", -1 or a missing value are ignored.
    versus : str, optional
        Region to compare the others with, instead of the rest of the tissue.
    reliable_only : bool
        Test only genes with ``var["reliable"]``, if the table has that column.
    n_placements : int
    seed : int

    Raises
    ------
    MeasurementError
        Fewer than two regions are large enough, `versus` is not one of them, or no gene is
        reliable.
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
    # tiles without a region stay: placements move regions onto them too
    labels, expression = np.where(known, labels, -1)[everywhere], expression[everywhere]
    centres = np.asarray(table.obsm["spatial"], dtype=np.float64)[everywhere]
    mean = expression.mean(0, dtype=np.float64)
    # centred, so that float32 sums keep their digits
    centred = expression.astype(np.float32) - mean.astype(np.float32)
    sums = moments(centred, labels, len(names), mean)
    difference = contrasts(labels, tested, other).T @ centred
    error, dof = null_error(centred, labels, centres, tested, other, n_placements, seed)
    error[:, np.ptp(expression, axis=0) == 0] = np.nan  # a constant gene has nothing to test
    rows = [
        _rows(names[r], sums, r, other, difference[i], error[i], dof[i], genes)
        for i, r in enumerate(tested)
    ]
    found = pd.concat(rows, ignore_index=True)
    if "reliable" in table.var:
        found.insert(10, "reliable", table.var["reliable"].reindex(found["gene"]).to_numpy(bool))
    found["q_value"] = q_values(found["p_value"].to_numpy())
    order = found.assign(least=-found["least_effect"].abs(), size=-found["effect_size"].abs())
    found = found.loc[order.sort_values(["region", "least", "size"], kind="stable").index]
    left_out = tuple(names[small])
    return Markers(found.reset_index(drop=True), n_genes, len(genes), left_out)


def _labels(regions: ArrayLike, n: int) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Return the names of the regions, and the index (n,) of each tile's region, -1 for none."""
    column = pd.Series(np.asarray(regions))
    if len(column) != n:
        raise MeasurementError(
            f"There are {len(column)} region labels for {n} tiles; give one label per tile."
        )
    none = column.isna() | column.isin(["", -1, "-1"])
    codes, names = pd.factorize(column.astype("string").where(~none), sort=True)
    return np.asarray(names, dtype=str), codes.astype(np.intp)


def _other(versus: str | None, names: NDArray[np.str_], small: NDArray[np.bool_]) -> int | None:
    if versus is None:
        return None
    if versus not in names[~small]:
        raise MeasurementError(
            f"There is no region '{versus}' of at least {SMALLEST_REGION} tiles; choose another."
        )
    return int(np.flatnonzero(names == versus)[0])


def _rows(
    name: str,
    found: Moments,
    region: int,
    other: int | None,
    difference: NDArray[np.floating],
    error: NDArray[np.float64],
    dof: float,
    genes: NDArray[np.str_],
) -> pd.DataFrame:
    inside = found.of([region])
    rest = [r for r in range(len(found.sizes)) if r != region] if other is None else [other]
    outside = found.of(rest)
    within = (inside.size * inside.variance + outside.size * outside.variance) / (
        inside.size + outside.size
    )
    valid = np.where(error > 0, error, np.nan)
    spread = np.where(np.isfinite(valid) & (within > 0), np.sqrt(within), np.nan)
    half = stats.t.ppf(0.975, dof) * valid
    low, high = (difference - half) / spread, (difference + half) / spread
    least = np.where(low > 0, low, np.where(high < 0, high, np.where(np.isnan(low), np.nan, 0.0)))
    return pd.DataFrame(
        {
            "region": name,
            "gene": genes,
            "n_tiles": inside.size,
            "mean_in": inside.mean,
            "mean_out": outside.mean,
            "difference": difference.astype(np.float64),
            "ci_low": difference - half,
            "ci_high": difference + half,
            "effect_size": difference / spread,
            "least_effect": least,
            "p_value": 2 * stats.t.sf(np.abs(difference) / valid, dof),
        }
    )
