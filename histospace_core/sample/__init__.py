"""A section to try things on: a procedural phantom, or a real one on request."""

from histospace_core.sample.phantom import LABEL, Phantom, make_phantom

__all__ = ["LABEL", "Phantom", "make_phantom"]
