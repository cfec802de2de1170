"""A section to try things on: a procedural phantom, or a real one on request."""

from histospace_core.sample.download import SECTIONS, DownloadError, Section, download_her2st
from histospace_core.sample.phantom import LABEL, Phantom, make_phantom

__all__ = [
    "LABEL",
    "SECTIONS",
    "DownloadError",
    "Phantom",
    "Section",
    "download_her2st",
    "make_phantom",
]
