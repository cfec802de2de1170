"""Correlation of predicted with measured signature scores on held-out patients."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.characterise.signatures import FEWEST_GENES, Signature, current_symbols
from histospace_core.evaluation.held_out import HeldOut
from histospace_core.evaluation.metrics import Matrix, bootstrap_pearson, per_gene_pearson
from histospace_core.expression.genes import guess_species

N_RANDOM = 200
"""Number of random gene lists that each signature is compared with."""
COLUMNS = (
    "signature",
    "n_used",
    "held_out_pearson",
    "ci_low",
    "ci_high",
    "random_pearson",
    "random_p95",
)


def held_out_signatures(
    held_out: Sequence[HeldOut],
    signatures: Sequence[Signature],
    reliable: Collection[str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate predicted with measured scores of signatures over held-out spots.

    The predicted score is the mean z-score of the list's reliable genes, as in `score_signatures`.
    The measured score uses all genes of the list that were measured, so that it does not depend on
    the model. Random lists of the same number of reliable genes are correlated with the same
    measured score, because in tissue with few sources of variation any list correlates with it.
    Scores are averaged over a patient's sections, then over patients; a patient whose fold has too
    few of the genes is left out.

    Parameters
    ----------
    held_out : sequence of HeldOut
        Sections, each predicted by a model that was not trained on it.
    signatures : sequence of Signature
    reliable : collection of str
        Genes that pass the reliability rule.
    seed : int
        Seed of the random lists.

    Returns
    -------
    DataFrame
        One row per signature with the columns `COLUMNS`. A signature with fewer than three reliable
        genes has NaN scores and `n_used` 0. The interval comes from resampled spots and does not
        include the variation between patients.
    """
    names = sorted({section.patient for section in held_out})
    patients = [[section for section in held_out if section.patient == name] for name in names]
    panels = [(_common_genes(sections), sections) for sections in patients]
    scored = [
        (genes, np.isin(genes, list(reliable)), [_standardised(s, genes) for s in sections])
        for genes, sections in panels
    ]
    rows = []
    for number, signature in enumerate(signatures):
        # so that a score does not depend on which other lists are scored
        rng = np.random.default_rng([seed, number])
        scores = [_patient(signature, *patient, rng) for patient in scored]
        # reshaped, so that it has two axes when no patient has a score
        valid = np.array([score for score in scores if score is not None]).reshape(-1, 6)
        mean = valid[:, 1:].mean(0) if len(valid) else np.full(5, np.nan)
        # the largest number of genes, since the panel differs between folds
        rows.append((signature.name, int(valid[:, 0].max(initial=0)), *mean))
    return pd.DataFrame(rows, columns=list(COLUMNS))


Scores = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Measured and predicted z-scores of a section, (spots, genes) each."""


def _common_genes(sections: Sequence[HeldOut]) -> NDArray[np.str_]:
    """Return the genes that all sections have, in the order of the first; folds choose genes."""
    shared = set.intersection(*(set(section.genes) for section in sections))
    return np.array([gene for gene in sections[0].genes if gene in shared], dtype=str)


def _standardised(section: HeldOut, genes: NDArray[np.str_]) -> Scores:
    """Return measured and predicted z-scores, (spots, genes); 0 for a gene that does not vary."""
    columns = pd.Index(section.genes).get_indexer(genes)
    scores = []
    for values in (section.measured[:, columns], section.predicted[:, columns]):
        spread = values.std(0, dtype=np.float64)
        centred = values - values.mean(0, dtype=np.float64)
        scores.append(np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0))
    return scores[0], scores[1]


def _patient(
    signature: Signature,
    genes: NDArray[np.str_],
    reliable: NDArray[np.bool_],
    sections: Sequence[Scores],
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Return a patient's scores in the order of `COLUMNS`, beginning with `n_used`.

    The result is None if fewer than three genes can be used.
    """
    species = guess_species(list(genes))
    symbols = current_symbols(signature.genes, species)
    listed = np.isin(current_symbols(genes, species), symbols)
    used = np.flatnonzero(listed & reliable)
    if len(used) < FEWEST_GENES:
        return None
    # Averaging over a random list is a product with its weights: all lists are scored at once.
    weights = np.zeros((len(genes), N_RANDOM))
    for column in weights.T:
        column[rng.choice(np.flatnonzero(reliable), len(used), replace=False)] = 1 / len(used)
    measured_scores = [measured[:, listed].mean(1, keepdims=True) for measured, _ in sections]
    pairs: list[tuple[Matrix, Matrix]] = [
        (score, predicted[:, used].mean(1, keepdims=True))
        for score, (_, predicted) in zip(measured_scores, sections, strict=True)
    ]
    r = np.mean([per_gene_pearson(*pair)[0] for pair in pairs])
    interval = bootstrap_pearson(pairs)
    random = np.mean(
        [
            per_gene_pearson(np.repeat(score, N_RANDOM, axis=1), predicted @ weights)
            for score, (_, predicted) in zip(measured_scores, sections, strict=True)
        ],
        axis=0,
    )
    low, high = interval.low[0], interval.high[0]
    return np.array([len(used), r, low, high, random.mean(), np.quantile(random, 0.95)])
