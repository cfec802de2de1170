"""Read measured files in a child process.

A damaged or hostile HDF5 file can crash the HDF5 library itself, which no `except` catches. So the
readers that use it run in a child process with limits, which returns plain arrays and JSON.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.folders import read_archive, read_folder
from histospace_core.expression.h5ad import read_h5ad
from histospace_core.expression.spatialdata import read_spatialdata
from histospace_core.expression.xenium import read_xenium
from histospace_core.sandbox import SandboxError, run_in_sandbox

READERS: dict[str, Callable[[Path, Choice], RawCounts]] = {
    "folder": read_folder,
    "zip": read_archive,
    "tar": read_archive,
    "hdf5": read_h5ad,
    "spatialdata": read_spatialdata,
    "xenium": read_xenium,
}
TIMEOUT_S = 900
MEMORY_GB = 16


def read_isolated(
    path: Path, kind: str, choice: Choice = ONLY, timeout_s: float = TIMEOUT_S
) -> RawCounts:
    """Run `READERS[kind](path, choice)` in a child process and return its result.

    Raises
    ------
    MeasurementError
        The reader raised it, crashed, took too long or used too much memory.
    """
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        try:
            run_in_sandbox(
                read_into,
                kind,
                str(path),
                folder,
                asdict(choice),
                seconds=timeout_s,
                memory_mb=1024 * MEMORY_GB,
            )
        except SandboxError as error:
            problem, remedy = {
                "time": (
                    f"the file could not be read within {timeout_s:.0f} s",
                    "give one section",
                ),
                "memory": (
                    f"the file needs more than {MEMORY_GB} GB of memory",
                    "give one section",
                ),
                "crash": (
                    f"the file is damaged and crashes its reader ({error.detail})",
                    "export it again",
                ),
            }[error.cause]
            raise MeasurementError(problem, path=path, remedy=remedy) from error
        return _load(Path(folder))


def read_into(kind: str, path: str, folder: str, choice: dict[str, str | None]) -> None:
    """In the child: read a file and save its content in a folder."""
    _save(READERS[kind](Path(path), Choice(**choice)), Path(folder))


def _save(raw: RawCounts, folder: Path) -> None:
    # read back at once, so compression would only take time
    sparse.save_npz(folder / "counts.npz", raw.counts, compressed=False)
    np.save(folder / "centres.npy", raw.centres, allow_pickle=False)
    if raw.library is not None:
        np.save(folder / "library.npy", raw.library, allow_pickle=False)
    apart = ("counts", "centres", "library", "source")
    rest = {k: v for k, v in asdict(raw).items() if k not in apart}
    rest["source"] = str(raw.source)
    (folder / "rest.json").write_text(json.dumps(rest), encoding="utf-8")


def _load(folder: Path) -> RawCounts:
    rest = json.loads((folder / "rest.json").read_text(encoding="utf-8"))
    library = folder / "library.npy"
    return RawCounts(
        source=Path(rest.pop("source")),
        counts=sparse.csr_matrix(sparse.load_npz(folder / "counts.npz")),
        # no pickle: a hostile file may control the child
        centres=np.load(folder / "centres.npy", allow_pickle=False),
        library=np.load(library, allow_pickle=False) if library.exists() else None,
        **rest,
    )
