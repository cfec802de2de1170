"""How well the score of a signature was predicted on patients that the model never saw."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.characterise.signatures import FEWEST_GENES, Signature, current_symbols
from histospace_core.evaluation.held_out import HeldOut
from histospace_core.evaluation.metrics import Matrix, bootstrap_pearson, per_gene_pearson
from histospace_core.expression.genes import guess_species

N_RANDOM = 200
"""Random lists that each signature is held against."""
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
    held: Sequence[HeldOut],
    signatures: Sequence[Signature],
    reliable: Collection[str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate predicted with measured scores of signatures over held-out spots.

    Predicted is the mean z-score of the list's reliable genes, as `score_signatures` takes it;
    measured that of all its genes in the panel, so that the truth is not chosen by the model.
    Beside it stands what random lists of as many reliable genes reach against the same truth:
    where tissue has few causes, any list follows it. Sections are averaged within a patient, then
    patients, as for genes; a patient whose fold has too few of the genes has no say.

    Parameters
    ----------
    held : sequence of HeldOut
        Sections that the model which predicted them had not seen.
    signatures : sequence of Signature
    reliable : collection of str
        Genes that pass the reliability rule.
    seed : int
        Of the random lists.

    Returns
    -------
    DataFrame, a row a signature, columns `COLUMNS`; a signature of fewer than three reliable genes
    has NaN and used none. The interval resamples spots: it leaves out what differs between
    patients.
    """
    patients = [[s for s in held if s.patient == p] for p in sorted({s.patient for s in held})]
    panels = [(_common_genes(sections), sections) for sections in patients]
    scored = [
        (genes, np.isin(genes, list(reliable)), [_standardised(s, genes) for s in sections])
        for genes, sections in panels
    ]
    rows = []
    for number, signature in enumerate(signatures):
        rng = np.random.default_rng([seed, number])
        scores = [_patient(signature, *patient, rng) for patient in scored]
        known = np.array([score for score in scores if score is not None]).reshape(-1, 6)
        found = known[:, 1:].mean(0) if len(known) else np.full(5, np.nan)
        rows.append((signature.name, int(known[:, 0].max(initial=0)), *found))
    return pd.DataFrame(rows, columns=list(COLUMNS))


Scores = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Z-scores of what was measured and predicted in a section, (spots, genes) each."""


def _common_genes(held: Sequence[HeldOut]) -> NDArray[np.str_]:
    """Genes of every section's panel, in the order of the first: folds may differ in theirs."""
    shared = set.intersection(*(set(section.genes) for section in held))
    return np.array([gene for gene in held[0].genes if gene in shared], dtype=str)


def _standardised(section: HeldOut, genes: NDArray[np.str_]) -> Scores:
    """Z-scores of what was measured and predicted, (spots, genes); 0 of what does not vary."""
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
    trusted: NDArray[np.bool_],
    sections: Sequence[Scores],
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Genes used, correlation, its interval's ends, mean and 95th percentile of random lists.

    None where fewer than three genes can be used.
    """
    species = guess_species(list(genes))
    wanted = current_symbols(signature.genes, species)
    listed = np.isin(current_symbols(genes, species), wanted)
    used = np.flatnonzero(listed & trusted)
    if len(used) < FEWEST_GENES:
        return None
    drawn = np.zeros((len(genes), N_RANDOM))
    for column in drawn.T:
        column[rng.choice(np.flatnonzero(trusted), len(used), replace=False)] = 1 / len(used)
    truth = [measured[:, listed].mean(1, keepdims=True) for measured, _ in sections]
    own: list[tuple[Matrix, Matrix]] = [
        (true, predicted[:, used].mean(1, keepdims=True))
        for true, (_, predicted) in zip(truth, sections, strict=True)
    ]
    r = np.mean([per_gene_pearson(*pair)[0] for pair in own])
    interval = bootstrap_pearson(own)
    random = np.mean(
        [
            per_gene_pearson(np.repeat(true, N_RANDOM, axis=1), predicted @ drawn)
            for true, (_, predicted) in zip(truth, sections, strict=True)
        ],
        axis=0,
    )
    low, high = interval.low[0], interval.high[0]
    return np.array([len(used), r, low, high, random.mean(), np.quantile(random, 0.95)])
