"""Prediction of whole slides, and the store it is kept in.

Each name is loaded when it is first used: reading a record takes neither torch nor zarr.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
