"""HistoSPACE: predict spatial gene expression from an H&E slide, and say how far to trust it.

The names of `histospace_core.api` are here too, each loaded when it is first used: a worker, a page
or `histospace --help` pays for none of them. `__init__.pyi` lists them.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
