"""One signature over the tiles of a run; only the genes of the signature are read."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from histospace_core.characterise.signatures import (
    Signature,
    current_symbols,
    read_gmt,
    score_signatures,
)
from histospace_core.expression.genes import guess_species
from histospace_core.inference import Prediction


@dataclass(frozen=True)
class SignatureMap:
    """The map of a signature on a run.

    Attributes
    ----------
    values : float32, (n,)
        Mean z-score of the list's reliable genes; NaN where a tile has no prediction, and
        everywhere if fewer than three genes can be used.
    facts : pandas.Series
        The signature's row of `SignatureScores.table`.
    """

    values: NDArray[np.float32]
    facts: pd.Series

    @property
    def scored(self) -> bool:
        """Whether enough genes could be used; otherwise ``facts["note"]`` gives the reason."""
        return bool(np.isfinite(self.values).any())


def signature_map(prediction: Prediction, signature: Signature) -> SignatureMap:
    """Score every tile of a run by one signature, as `score_signatures` does."""
    species = guess_species(prediction.genes)
    listed = set(current_symbols(signature.genes, species))
    predicted = [
        gene
        for gene, symbol in zip(
            prediction.genes, current_symbols(prediction.genes, species), strict=True
        )
        if symbol in listed
    ]
    columns = [prediction.gene(gene) for gene in predicted]
    matrix = np.column_stack(columns) if columns else np.empty((prediction.n_tiles, 0), np.float32)
    var = prediction.var.loc[predicted]
    scored = score_signatures(AnnData(matrix, var=var), [signature])
    return SignatureMap(scored.scores[:, 0].astype(np.float32), scored.table.iloc[0])


def held_out_skill(prediction: Prediction, signature: Signature) -> dict[str, float] | None:
    """Return how well the signature's score was predicted on held-out patients.

    Returns
    -------
    dict or None
        The keys are `signature_skill.COLUMNS` without the first. None if the model package has no
        score for exactly this list; packages contain scores only for the shipped lists.
    """
    scores = prediction.record.model.signatures
    # The whole list is compared, since an uploaded list may have the name of a shipped one.
    return scores.get(signature.name) if signature in read_gmt() else None
