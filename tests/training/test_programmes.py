"""Programmes rebuild the expression, and the ridge finds a linear truth."""

import numpy as np

from histospace_core.training.programmes import decompose, fit_ridges

RNG = np.random.default_rng(0)


def test_scores_times_programmes_rebuild_low_rank_expression() -> None:
    low = RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, 25))
    parts = decompose(low.astype(np.float32), low.astype(np.float32), 3)
    rebuilt = low.mean(0) + parts.scores @ parts.programmes
    np.testing.assert_allclose(rebuilt, low, atol=1e-4)
    np.testing.assert_allclose(parts.scores[:, 0].std(), 1, rtol=1e-3)


def test_programmes_say_what_scores_found_elsewhere_mean_for_the_targets() -> None:
    profiles = RNG.normal(size=(50, 8)).astype(np.float32)
    targets = RNG.normal(size=(50, 5)).astype(np.float32)
    parts = decompose(profiles, targets, 4)
    best, *_ = np.linalg.lstsq(parts.scores, targets - targets.mean(0), rcond=None)
    np.testing.assert_allclose(parts.programmes, best, atol=1e-4)


def test_the_mean_of_two_views_is_scaled_back_to_the_truth() -> None:
    features = RNG.normal(size=(300, 1, 8)).astype(np.float32)
    truth = features[:, 0].sum(1, keepdims=True)
    views = [features[:, :, :4], features[:, :, 4:]]  # each sees half of it
    fitted = fit_ridges(views, truth, np.arange(300) // 100)
    predicted = (features[:, 0] - fitted.centre) / fitted.spread @ fitted.weight.T
    slope = float((predicted * truth).sum() / (predicted**2).sum())
    assert abs(slope - 1) < 0.05


def test_the_ridge_predicts_left_out_spots_and_ignores_noise_between_looks() -> None:
    n, looks, f = 120, 4, 30
    signal = RNG.normal(size=(n, 1, f)).astype(np.float32)
    features = signal + 0.1 * RNG.normal(size=(n, looks, f)).astype(np.float32)
    truth = signal[:, 0] @ RNG.normal(size=(f, 2))
    scores = ((truth - truth.mean(0)) / truth.std()).astype(np.float32)
    group = np.arange(n) // 40
    fitted = fit_ridges([features[:80]], scores[:80], group[:80])
    predicted = (features[80:].mean(1) - fitted.centre) / fitted.spread @ fitted.weight.T
    for i in range(2):
        assert np.corrcoef(predicted[:, i], scores[80:, i])[0, 1] > 0.95


def test_without_signal_the_ridge_shrinks() -> None:
    features = RNG.normal(size=(60, 2, 50)).astype(np.float32)
    scores = RNG.normal(size=(60, 1)).astype(np.float32)
    fitted = fit_ridges([features], scores, np.arange(60) // 20)
    predicted = (features.mean(1) - fitted.centre) / fitted.spread @ fitted.weight.T
    assert predicted.std() < 0.5 * scores.std()
