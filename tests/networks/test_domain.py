"""The domain score separates tissue like the training tissue from anything else."""

import numpy as np

from histospace_core.networks import Domain


def test_training_like_features_score_evenly_and_foreign_ones_high() -> None:
    rng = np.random.default_rng(0)
    domain = Domain.fit(rng.normal(size=(2000, 32)))
    own = domain.score(rng.normal(size=(500, 32)))
    assert 0.4 < own.mean() < 0.6
    assert (domain.score(rng.normal(5, 1, size=(500, 32))) == 1).all()


def test_a_broken_correlation_is_seen_though_each_feature_alone_is_usual() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 64)) + rng.normal(size=(2000, 64))
    domain = Domain.fit(train)
    shuffled = rng.permuted(train, axis=0)
    assert (domain.score(shuffled) > 0.99).mean() > 0.9


def test_tensors_round_trip_and_absence() -> None:
    rng = np.random.default_rng(0)
    domain = Domain.fit(rng.normal(size=(100, 8)))
    features = rng.normal(size=(50, 8))
    again = Domain.from_tensors(domain.to_tensors())
    assert again is not None
    np.testing.assert_array_equal(again.score(features), domain.score(features))
    assert Domain.from_tensors({}) is None
