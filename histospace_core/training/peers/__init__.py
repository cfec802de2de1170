"""Baselines and peers: other ways to predict expression, each reimplemented from its paper."""

from histospace_core.training.peers.colour import COLOUR
from histospace_core.training.peers.encoder_ridge import PREFIX, encoder_method
from histospace_core.training.peers.mean_profile import MEAN_PROFILE

__all__ = ["COLOUR", "MEAN_PROFILE", "PREFIX", "encoder_method"]
