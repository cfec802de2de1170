"""Baselines and peers: other ways to predict expression, each reimplemented from its paper."""

from histospace_core.networks.encoders import OFFLINE_ENCODER
from histospace_core.training.peers.bleep import BLEEP_METHOD
from histospace_core.training.peers.colour import COLOUR
from histospace_core.training.peers.encoder_ridge import PREFIX, encoder_method
from histospace_core.training.peers.histogene import HISTOGENE
from histospace_core.training.peers.mean_profile import MEAN_PROFILE
from histospace_core.training.peers.stnet import STNET
from histospace_core.training.peers.triplex import TRIPLEX_METHOD

PEERS = (
    MEAN_PROFILE,
    COLOUR,
    encoder_method(OFFLINE_ENCODER),
    STNET,
    HISTOGENE,
    BLEEP_METHOD,
    TRIPLEX_METHOD,
)
"""From the simplest to the most complex."""

__all__ = ["PEERS", "PREFIX", "encoder_method"]
