"""Baselines and peers: other ways to predict expression, each reimplemented from its paper."""

from histospace_core.training.peers.mean_profile import MEAN_PROFILE

__all__ = ["MEAN_PROFILE"]
