"""The sample: a section with known expression, drawn by a procedure (a phantom)."""

from histospace_core.sample.phantom import LABEL, Phantom, make_phantom

__all__ = ["LABEL", "Phantom", "make_phantom"]
