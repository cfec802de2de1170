"""Read files of others in a process of their own.

A damaged or hostile HDF5 file can crash the HDF5 library itself, which no `except` catches. So the
readers that rest on it run in a child with a limit on memory and time; what comes back is plain
arrays and JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.h5ad import read_h5ad
from histospace_core.expression.spaceranger import read_spaceranger, read_spaceranger_zip
from histospace_core.shipped import PACKAGE

READERS: dict[str, Callable[[Path], RawCounts]] = {
    "folder": read_spaceranger,
    "zip": read_spaceranger_zip,
    "hdf5": read_h5ad,
}
TIMEOUT_S = 900
MEMORY_GB = 16
CALL = "from histospace_core.expression.isolated import child; child()"


def read_isolated(path: Path, kind: str, timeout_s: float = TIMEOUT_S) -> RawCounts:
    """Run `READERS[kind](path)` in a child process and return what it read.

    Raises
    ------
    MeasurementError
        The reader's own, or a crash, a time-out or too much memory.
    """
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        # the child's own temporary files go with the folder, even if it crashes
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "TMPDIR": folder, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-c", CALL, kind, str(path.resolve()), folder]
        try:
            done = subprocess.run(
                command, env=env, timeout=timeout_s, capture_output=True, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(
                f"{path.name}: could not be read within {timeout_s:.0f} s; give one section."
            ) from error
        refusal = Path(folder) / "refused.txt"
        if refusal.exists():
            raise MeasurementError(refusal.read_text(encoding="utf-8"))
        if done.returncode != 0:
            raise MeasurementError(
                f"{path.name}: the file is damaged so that it crashes its reader, or it needs more "
                f"than {MEMORY_GB} GB of memory; export it again."
            )
        return _load(Path(folder))


def child() -> None:
    """Entry of the child process; arguments: kind, path, folder for the result."""
    kind, path, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    _limit_memory()
    try:
        raw = READERS[kind](path)
    except MeasurementError as error:
        (folder / "refused.txt").write_text(str(error), encoding="utf-8")
    else:
        _save(raw, folder)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY_GB * 2**30
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _save(raw: RawCounts, folder: Path) -> None:
    sparse.save_npz(folder / "counts.npz", raw.counts, compressed=False)
    np.save(folder / "centres.npy", raw.centres, allow_pickle=False)
    rest = {k: v for k, v in asdict(raw).items() if k not in ("counts", "centres")}
    (folder / "rest.json").write_text(json.dumps(rest), encoding="utf-8")


def _load(folder: Path) -> RawCounts:
    return RawCounts(
        counts=sparse.csr_matrix(sparse.load_npz(folder / "counts.npz")),
        centres=np.load(folder / "centres.npy", allow_pickle=False),
        **json.loads((folder / "rest.json").read_text(encoding="utf-8")),
    )
