"""What to expect of true expression in a region, beside what the map shows there."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from histospace_core.characterise.signatures import Signature
from histospace_core.errors import StoreError
from histospace_core.inference import Prediction
from histospace_core.uncertainty import PROMISED, Interval, Region, RegionContrast

EXPECTED_COLUMNS = (
    "expected_low",
    "expected_high",
    "fold_change",
    "fold_low",
    "fold_high",
    "wrong_direction",
)
_VALUES_AT_ONCE = 20_000_000
"""Tiles x genes that are read together; limits memory."""


def expected_in_region(
    prediction: Prediction, inside: NDArray[np.bool_], genes: Sequence[str] | None = None
) -> pd.DataFrame | None:
    """Return what to expect of true expression in a region, for each gene.

    Parameters
    ----------
    inside : bool (tiles,)
    genes
        Default: all genes of the model.

    Returns
    -------
    DataFrame or None
        `gene` and `EXPECTED_COLUMNS`: the 90 % interval of the region's expression as a whole, in
        the unit of the map; the fold change against the rest of the tissue with its 90 % interval;
        the probability that the true direction is the opposite one. NaN where unknown. None if the
        model does not state how far its maps hold, or one side has no tile with a prediction.

    Raises
    ------
    StoreError
        The model does not predict a gene.
    """
    sides = {"": (inside, ~inside)}
    found = expected_in_regions(prediction, sides, prediction.genes if genes is None else genes)
    return found.get("")


def expected_in_regions(
    prediction: Prediction,
    sides: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    genes: Sequence[str],
) -> dict[str, pd.DataFrame]:
    """Return what to expect in several regions, reading each gene once.

    Parameters
    ----------
    sides
        By name of the region: its tiles, and those that it is compared with.

    Returns
    -------
    dict of str to DataFrame
        As `expected_in_region`; without the regions for which that is None.
    """
    predictive = prediction.predictive
    if predictive is None or predictive.maps is None:
        return {}
    known = np.isfinite(prediction.gene(prediction.genes[0]))
    xy = prediction.centres * prediction.mpp
    regions = {
        name: Region(inside & known, outside & known, xy)
        for name, (inside, outside) in sides.items()
        if (inside & known).any() and (outside & known).any()
    }
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in regions}
    for block in _blocks(prediction, genes):
        of_block = predictive.of(block)
        rates = of_block.rates(prediction.columns(block))
        for name, region in regions.items():
            interval = region.interval(of_block, rates, PROMISED)
            tables[name].append(_table(interval, region.contrast(of_block, rates)))
    empty = pd.DataFrame(columns=list(EXPECTED_COLUMNS), dtype=np.float64)
    joined = {
        name: pd.concat(parts, ignore_index=True) if parts else empty.copy()
        for name, parts in tables.items()
    }
    for table in joined.values():
        table.insert(0, "gene", list(genes))
    return joined


def _blocks(prediction: Prediction, genes: Sequence[str]) -> Iterator[NDArray[np.intp]]:
    """Yield the places of some genes after others."""
    place = pd.Index(prediction.genes).get_indexer(list(genes))
    if (place < 0).any():
        unknown = genes[int(np.argmin(place))]
        raise StoreError(
            f"This run has no gene '{unknown}': choose from the {len(prediction.genes)} genes that "
            "its model predicts."
        )
    size = max(1, _VALUES_AT_ONCE // max(prediction.n_tiles, 1))
    for first in range(0, len(place), size):
        yield place[first : first + size]


def expected_signatures(
    prediction: Prediction, inside: NDArray[np.bool_], signatures: Sequence[Signature]
) -> pd.DataFrame | None:
    """Return the mean fold change of each signature's reliable genes in a region.

    The genes of a signature are taken to be off in the same direction, so their mean is no surer
    than one of them.

    Returns
    -------
    DataFrame or None
        `signature`, `n_genes` and the columns of `EXPECTED_COLUMNS` from `fold_change` on; None as
        for `expected_in_region`.
    """
    reliable = prediction.var.index[prediction.var["reliable"].to_numpy(bool)]
    used = {s.name: [g for g in reliable if g in set(s.genes)] for s in signatures}
    genes = sorted({gene for own in used.values() for gene in own})
    table = expected_in_region(prediction, inside, genes)
    if table is None:
        return None
    table = table.set_index("gene")
    return pd.DataFrame([_row(name, table.loc[own]) for name, own in used.items() if own])


def _row(name: str, genes: pd.DataFrame) -> Mapping[str, object]:
    logs = np.log10(genes[["fold_change", "fold_low", "fold_high"]].to_numpy())
    mean = logs[:, 0].mean()
    sd = ((logs[:, 2] - logs[:, 1]) / (2 * norm.ppf((1 + PROMISED) / 2))).mean()
    folds = _folds(RegionContrast(np.array([mean]), np.array([sd])))
    return {"signature": name, "n_genes": len(genes), **{c: v[0] for c, v in folds.items()}}


def _table(interval: Interval, contrast: RegionContrast) -> pd.DataFrame:
    ends = {"expected_low": interval.low[0], "expected_high": interval.high[0]}
    return pd.DataFrame({**ends, **_folds(contrast)})[list(EXPECTED_COLUMNS)]


def _folds(contrast: RegionContrast) -> dict[str, NDArray[np.float64]]:
    middle, half = contrast.log10_ratio, contrast.half_width(PROMISED)
    return {
        "fold_change": 10.0**middle,
        "fold_low": 10.0 ** (middle - half),
        "fold_high": 10.0 ** (middle + half),
        "wrong_direction": contrast.wrong,
    }
