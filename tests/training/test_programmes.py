"""Programmes rebuild the expression, and the ridge finds a linear truth."""

import numpy as np
from numpy.typing import NDArray

from histospace_core.training.programmes import LinearMap, decompose, fit_ridges

RNG = np.random.default_rng(0)


def _fit(
    features: NDArray[np.float32],
    parts: list[NDArray[np.intp]],
    scores: NDArray[np.float32],
    group: NDArray[np.intp],
) -> LinearMap:
    seen = ((columns, features[:, :, columns]) for columns in parts)
    return fit_ridges(seen, features.shape[2], scores, group)


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


def test_the_mean_of_two_parts_is_scaled_back_to_the_truth() -> None:
    features = RNG.normal(size=(300, 1, 8)).astype(np.float32)
    truth = features[:, 0].sum(1, keepdims=True)
    halves = [np.arange(4), np.arange(4, 8)]  # each sees half of it
    fitted = _fit(features, halves, truth, np.arange(300) // 100)
    predicted = (features[:, 0] - fitted.centre) / fitted.spread @ fitted.weight.T
    slope = float((predicted * truth).sum() / (predicted**2).sum())
    assert abs(slope - 1) < 0.05


def test_parts_that_share_columns_are_averaged() -> None:
    features = RNG.normal(size=(200, 2, 6)).astype(np.float32)
    scores = (features.mean(1) @ RNG.normal(size=(6, 2))).astype(np.float32)
    group = np.arange(200) // 50
    once = _fit(features, [np.arange(6)], scores, group)
    twice = _fit(features, [np.arange(6), np.arange(6)[::-1]], scores, group)
    np.testing.assert_allclose(twice.weight, once.weight, atol=1e-4)
    np.testing.assert_allclose(twice.spread, once.spread, rtol=1e-5)


def test_a_weight_stands_at_the_column_of_its_feature() -> None:
    features = RNG.normal(size=(90, 1, 5)).astype(np.float32)
    fitted = _fit(features, [np.array([3, 1])], features[:, 0, 3:4], np.arange(90) // 30)
    assert np.abs(fitted.weight[0]).argmax() == 3
    assert not fitted.weight[:, [0, 2, 4]].any()


def test_the_ridge_predicts_left_out_spots_and_ignores_noise_between_looks() -> None:
    n, looks, f = 120, 4, 30
    signal = RNG.normal(size=(n, 1, f)).astype(np.float32)
    features = signal + 0.1 * RNG.normal(size=(n, looks, f)).astype(np.float32)
    truth = signal[:, 0] @ RNG.normal(size=(f, 2))
    scores = ((truth - truth.mean(0)) / truth.std()).astype(np.float32)
    group = np.arange(n) // 40
    fitted = _fit(features[:80], [np.arange(f)], scores[:80], group[:80])
    predicted = (features[80:].mean(1) - fitted.centre) / fitted.spread @ fitted.weight.T
    for i in range(2):
        assert np.corrcoef(predicted[:, i], scores[80:, i])[0, 1] > 0.95


def test_without_signal_the_ridge_shrinks() -> None:
    features = RNG.normal(size=(60, 2, 50)).astype(np.float32)
    scores = RNG.normal(size=(60, 1)).astype(np.float32)
    fitted = _fit(features, [np.arange(50)], scores, np.arange(60) // 20)
    predicted = (features.mean(1) - fitted.centre) / fitted.spread @ fitted.weight.T
    assert predicted.std() < 0.5 * scores.std()
