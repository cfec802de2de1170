"""Versions of the program and its libraries, which decide how a file is read."""

import platform
from importlib.metadata import PackageNotFoundError, version

from histospace_core import __version__

LIBRARIES = (
    "openslide-python",
    "openslide-bin",
    "tifffile",
    "pyvips",
    "wsidicom",
    "anndata",
    "h5py",
    "zarr",
    "numpy",
)


def versions() -> dict[str, str]:
    """Return the versions of HistoSPACE, Python and the libraries that read files."""
    found = {"HistoSPACE": __version__, "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # OpenSlide of the system needs no openslide-bin
            continue
    return {**found, "on": f"{platform.system()} {platform.machine()}"}
