"""Moran's I of each predicted map."""

import numpy as np
import pandas as pd

from histospace_core.evaluation.spatial import morans_i
from histospace_core.inference.prediction import Prediction

_AT_ONCE = 20_000_000
"""Maximum number of values in memory: the genes of a large run are read in blocks."""


def spatial_structure(prediction: Prediction) -> pd.Series:
    """Return Moran's I of each gene's predicted map, by gene; NaN where the map is constant.

    It is high if similar values are adjacent, and about 0 if they are scattered. It describes the
    map, not how well the gene is predicted.
    """
    genes = prediction.genes
    if not genes or not prediction.n_tiles:
        return pd.Series(np.nan, index=genes)
    # A tile that is left out lacks every gene, so the first one tells.
    usable = np.flatnonzero(np.isfinite(prediction.gene(genes[0])))
    centres = prediction.centres[usable]
    step = max(1, _AT_ONCE // max(1, len(usable)))
    found = [
        morans_i(prediction.columns(slice(i, i + step))[usable], centres)
        for i in range(0, len(genes), step)
    ]
    return pd.Series(np.concatenate(found), index=genes)
