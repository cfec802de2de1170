"""The domain score separates tissue like the training tissue from anything else."""

import numpy as np

from histospace_core.networks import Domain


def test_training_like_features_score_evenly_and_foreign_ones_high() -> None:
    rng = np.random.default_rng(0)
    domain = Domain.fit(rng.normal(size=(2000, 32)))
    own = domain.score(rng.normal(size=(500, 32)))
    assert 0.4 < own.mean() < 0.6
    assert (domain.score(rng.normal(5, 1, size=(500, 32))) == 1).all()


def test_config_round_trip_and_absence() -> None:
    rng = np.random.default_rng(0)
    domain = Domain.fit(rng.normal(size=(100, 8)))
    features = rng.normal(size=(50, 8))
    again = Domain.from_config(domain.to_config())
    np.testing.assert_allclose(again.score(features), domain.score(features), atol=1e-3)
    assert np.isnan(Domain.from_config(None).score(features)).all()
