"""Agreement of two runs of one slide, gene by gene.

Agreement is not accuracy: two models may make the same error. It shows the effect of another model,
stain normalisation or grid, with the correlation of unrelated genes as a control.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.comparison.matching import MIN_COVER, tile_weights
from histospace_core.errors import StoreError
from histospace_core.evaluation.metrics import per_gene_pearson
from histospace_core.inference.prediction import Prediction

MIN_TILES = 10
"""Two runs need at least this many tiles in common."""
_GENES_AT_ONCE = 200  # limits memory: all tiles of both runs are read for each block


@dataclass(frozen=True)
class RunPair:
    """What two runs of one slide have in common.

    Attributes
    ----------
    genes : DataFrame
        One row per common gene, indexed by gene: `pearson` over the common tiles;
        `other_gene_pearson`, the correlation of its map in the first run with another gene's map
        in the second, the control; `mean_difference` (second minus first) and `rmse`, in the unit
        of the expression; `held_out_first`, `held_out_second`, the held-out r of both models.
    n_tiles : int
        Number of tiles that both runs predict.
    quality : DataFrame
        Number of tiles by reason, including "ok": columns `first`, `second`, `difference`.
    """

    genes: pd.DataFrame
    n_tiles: int
    quality: pd.DataFrame


def pair_runs(first: Prediction, second: Prediction) -> RunPair:
    """Compare two finished runs of one slide over the tiles that both predict.

    If the grids differ, the finer one is averaged over the tiles of the coarser, by shared area.

    Raises
    ------
    StoreError
        The slides or units differ, or there is no common gene or too few common tiles.
    """
    _require_comparable(first, second)
    genes = [gene for gene in first.genes if gene in set(second.genes)]
    if not genes:
        raise StoreError("The models of these two runs have no gene in common: choose another run.")
    at_first, at_second = _common_tiles(first, second)
    n_tiles = int(at_first.shape[0])
    if n_tiles < MIN_TILES:
        raise StoreError(
            f"Only {n_tiles} tiles are predicted by both runs, and at least {MIN_TILES} are needed."
        )
    columns = [pd.Index(run.genes).get_indexer(pd.Index(genes)) for run in (first, second)]
    scores = [
        _scores(at_first @ first.columns(one), at_second @ second.columns(other))
        for one, other in zip(*(_blocks(places) for places in columns), strict=True)
    ]
    table = pd.DataFrame(np.concatenate(scores), index=pd.Index(genes, name="gene"))
    table.columns = pd.Index(["pearson", "other_gene_pearson", "mean_difference", "rmse"])
    held_out = {
        f"held_out_{name}": run.var.loc[genes, "held_out_pearson"]
        for name, run in (("first", first), ("second", second))
    }
    return RunPair(table.assign(**held_out), n_tiles, _quality(first, second))


def _require_comparable(first: Prediction, second: Prediction) -> None:
    one, other = first.record, second.record
    if one.slide.sha256 != other.slide.sha256:
        raise StoreError("These two runs are of different slides: choose two of the same.")
    units = [record.model.expression_unit for record in (one, other)]
    if units[0] != units[1]:
        raise StoreError(
            f"These two runs predict different quantities ({units[0]} and {units[1]}): "
            "choose two of the same."
        )


def _common_tiles(
    first: Prediction, second: Prediction
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return the weights that average each run's tiles (n, genes) to the common tiles."""
    if np.array_equal(first.centres, second.centres):
        both = _row_selector(_predicted(first) & _predicted(second))
        return both, both
    if _stride(first) < _stride(second):
        at_second, at_first = _common_tiles(second, first)
        return at_first, at_second
    coarse, fine = (_predicted(run) for run in (first, second))
    weights, cover = tile_weights(
        second.centres[fine], first.centres[coarse], second.tile_level0, _stride(second)
    )
    covered = cover >= MIN_COVER
    return _row_selector(coarse)[covered], weights[covered] @ _row_selector(fine)


def _row_selector(rows: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Return a sparse matrix that selects rows; rows that are not selected may be NaN."""
    return sparse.csr_matrix(sparse.identity(len(rows), np.float32, "csr")[rows])


def _predicted(run: Prediction) -> NDArray[np.bool_]:
    # one gene is enough: a tile has values of all genes or of none
    return (run.obs["qc"] == "ok").to_numpy() & np.isfinite(run.columns(slice(0, 1))[:, 0])


def _stride(run: Prediction) -> float:
    return run.record.tiles.stride_level0_px


def _blocks(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Split into even blocks: a block of one gene would have no other gene as control."""
    return np.array_split(places, max(1, -(-len(places) // _GENES_AT_ONCE)))


def _scores(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the scores of a block of genes for `RunPair.genes`, (genes, 4)."""
    n = one.shape[1]
    apart = np.roll(other, n // 2, axis=1)  # genes next to each other are often related
    by_chance = per_gene_pearson(one, apart) if n > 1 else np.full(n, np.nan)
    difference = other.astype(np.float64) - one
    return np.column_stack(
        [
            per_gene_pearson(one, other),
            by_chance,
            difference.mean(0),
            np.sqrt((difference**2).mean(0)),
        ]
    )


def _quality(first: Prediction, second: Prediction) -> pd.DataFrame:
    counts = {
        name: run.obs["qc"].astype(str).value_counts()
        for name, run in (("first", first), ("second", second))
    }
    table = pd.DataFrame(counts).fillna(0).astype(int).rename_axis("reason")
    table.loc["all tiles"] = table.sum()
    return table.assign(difference=table["second"] - table["first"])
