"""HistoSPACE: predict spatial gene expression from an H&E slide, and say how far to trust it."""

__version__ = "0.1.0"
