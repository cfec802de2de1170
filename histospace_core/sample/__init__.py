"""A section to try things on, drawn on this machine: a procedural phantom."""

from histospace_core.sample.phantom import LABEL, Phantom, make_phantom

__all__ = ["LABEL", "Phantom", "make_phantom"]
