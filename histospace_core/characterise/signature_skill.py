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
    patients, as for genes.

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
    has NaN. The interval resamples spots: it leaves out what differs between patients.
    """
    genes = _common_genes(held)
    species = guess_species(list(genes))
    symbols = np.array(current_symbols(genes, species))
    trusted = np.flatnonzero(np.isin(genes, list(reliable)))
    scores = [(s.patient, *_standardised(s, genes)) for s in held]
    rows = []
    for number, signature in enumerate(signatures):
        listed = np.flatnonzero(np.isin(symbols, current_symbols(signature.genes, species)))
        used = np.intersect1d(listed, trusted)
        found = np.full(5, np.nan)
        if len(used) >= FEWEST_GENES:
            rng = np.random.default_rng([seed, number])
            drawn = [rng.choice(trusted, len(used), replace=False) for _ in range(N_RANDOM)]
            by_patient: dict[str, list[Pair]] = {}
            for patient, measured, predicted in scores:
                random = np.stack([predicted[:, chosen].mean(1) for chosen in drawn], axis=1)
                pair = (measured[:, listed].mean(1), predicted[:, used].mean(1), random)
                by_patient.setdefault(patient, []).append(pair)
            patients = np.array([_patient(pairs) for pairs in by_patient.values()])
            random = patients[:, 3:].mean(0)
            found = np.array([*patients[:, :3].mean(0), random.mean(), np.quantile(random, 0.95)])
        rows.append((signature.name, len(used), *found))
    return pd.DataFrame(rows, columns=list(COLUMNS))


Pair = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Measured score (spots,), predicted score (spots,), predicted random lists (spots, lists)."""


def _common_genes(held: Sequence[HeldOut]) -> NDArray[np.str_]:
    """Genes of every section's panel, in the order of the first: folds may differ in theirs."""
    shared = set.intersection(*(set(section.genes) for section in held)) if held else set()
    return np.array([gene for gene in (held[0].genes if held else ()) if gene in shared], dtype=str)


def _standardised(
    section: HeldOut, genes: NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Z-scores of what was measured and predicted, (spots, genes); 0 of what does not vary."""
    columns = pd.Index(section.genes).get_indexer(genes)
    scores = []
    for values in (section.measured[:, columns], section.predicted[:, columns]):
        spread = values.std(0, dtype=np.float64)
        centred = values - values.mean(0, dtype=np.float64)
        scores.append(np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0))
    return scores[0], scores[1]


def _patient(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Correlation, its interval's ends, and the correlation of each random list, (3 + lists,)."""
    own: list[tuple[Matrix, Matrix]] = [
        (measured[:, None], predicted[:, None]) for measured, predicted, _ in pairs
    ]
    r = np.mean([per_gene_pearson(*pair)[0] for pair in own])
    interval = bootstrap_pearson(own)
    random = [
        per_gene_pearson(np.repeat(measured[:, None], N_RANDOM, axis=1), lists)
        for measured, _, lists in pairs
    ]
    return np.array([r, interval.low[0], interval.high[0], *np.mean(random, axis=0)])
