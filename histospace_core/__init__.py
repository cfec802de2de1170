"""HistoSPACE: predict spatial gene expression from an H&E slide, with the accuracy of each gene.

The names of `histospace_core.api` are available here too. Each is loaded on first use, so that
workers, pages and `histospace --help` start quickly. `__init__.pyi` lists them.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
