"""Held-out sections and their predictions on disk, for paired tests and intervals."""

import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse

from histospace_core.errors import StoreError
from histospace_core.evaluation import HeldOut
from histospace_core.files import atomic_write, disk_errors

_OPTIONAL = ("library", "levels_profile", "domain")


def save_held_out(path: Path, held: HeldOut) -> None:
    """Write one held-out section as a compressed npz, whole or not at all.

    The prediction is stored as its deviation from the mean profile in float16, so that the rounding
    error is 5e-4 of the deviation, not of the value. The measurement is stored as float16, counts
    as the smallest integer type that holds them. Scores change by less than 1e-3; 283 spots x 2,711
    genes take about 2 MB.
    """
    arrays = {
        "section": np.array(held.section),
        "patient": np.array(held.patient),
        "genes": np.array(held.genes, dtype=np.str_),
        "measured": held.measured.astype(np.float16),
        "deviation": (held.predicted - held.mean_profile).astype(np.float16),
        "mean_profile": held.mean_profile,
        "centres": held.centres,
        "counted": held.counted,
    }
    if held.counts is not None:
        dense = sparse.csr_array(held.counts).toarray()
        arrays["counts"] = dense.astype(np.min_scalar_type(int(dense.max(initial=0))))
    for name in _OPTIONAL:
        if (values := getattr(held, name)) is not None:
            arrays[name] = values
    if held.um_per_px is not None:
        arrays["um_per_px"] = np.array(held.um_per_px)
    with (
        disk_errors(path, "the predictions"),
        atomic_write(path) as part,
        part.open("wb") as stream,  # `np.savez` appends .npz to a path, but not to a stream
    ):
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_held_out(path: Path) -> HeldOut:
    """Read what `save_held_out` wrote.

    Raises
    ------
    StoreError
        The file is missing, damaged or of another kind.
    """
    try:
        # a pickle could run code while it is read
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            mean = stored["mean_profile"]
            return HeldOut(
                section=str(stored["section"]),
                patient=str(stored["patient"]),
                genes=tuple(stored["genes"].tolist()),
                measured=stored["measured"].astype(np.float32),
                predicted=mean + stored["deviation"].astype(np.float32),
                mean_profile=mean,
                counts=sparse.csr_array(stored["counts"]) if "counts" in stored else None,
                centres=stored["centres"],
                counted=stored["counted"],
                um_per_px=float(stored["um_per_px"]) if "um_per_px" in stored else None,
                **{name: stored.get(name) for name in _OPTIONAL},
            )
    # a truncated or altered file raises any of these
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"The predictions '{path.name}' are missing or damaged; evaluate again."
        ) from error
