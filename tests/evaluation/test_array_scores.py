"""The scorer that evaluation and comparison share, on what cannot be scored."""

import numpy as np
import pytest
from builders.held_out import lattice, smooth_maps

from histospace_core.evaluation.array_scores import score_arrays


@pytest.fixture
def measured() -> np.ndarray:
    return smooth_maps(np.random.default_rng(0), 4).astype(np.float32)


def test_a_gene_constant_in_the_measurement_has_no_score_and_counts_nowhere(measured) -> None:
    predicted, mean = 0.5 * measured, np.full(4, 0.1, np.float32)
    alone = score_arrays(measured[:, :3], predicted[:, :3], mean[:3], positions=lattice())
    measured[:, 3] = 2.0
    scores = score_arrays(measured, predicted, mean, positions=lattice())
    assert scores.evaluable.tolist() == [True, True, True, False]
    assert scores.genes.loc[3].isna().all()
    assert scores.genes[:3].equals(alone.genes)
    assert scores.overall == alone.overall


def test_a_prediction_constant_but_for_rounding_has_no_skill(measured) -> None:
    level, step = np.float32(0.31), np.spacing(np.float32(0.31))
    predicted = level + step * (measured > 0)
    scores = score_arrays(measured, predicted.astype(np.float32), measured.mean(0))
    assert scores.genes["pearson"].eq(0).all()
    assert scores.genes["spearman"].eq(0).all()


def test_without_an_evaluable_gene_there_is_no_score(measured) -> None:
    scores = score_arrays(np.ones_like(measured), measured, measured.mean(0), positions=lattice())
    assert set(scores.overall.values()) == {None}
    assert not scores.beats_mean.any()
