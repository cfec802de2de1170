"""Prediction of whole slides, and the store of a prediction.

Names are loaded on first use, so that reading a record needs neither torch nor zarr.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
