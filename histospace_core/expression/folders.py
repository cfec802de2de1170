"""Read a folder, or an archive of one, by what it holds: Space Ranger, Xenium or SpatialData."""

import tempfile
from dataclasses import replace
from pathlib import Path

from histospace_core.archive import unpack
from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice, choose
from histospace_core.expression.layout import find_sections
from histospace_core.expression.spaceranger import read_spaceranger
from histospace_core.expression.spatialdata import read_spatialdata
from histospace_core.expression.xenium import find_xenium, read_xenium
from histospace_core.expression.zarr_store import find_stores


def read_archive(path: Path, choice: Choice = ONLY) -> RawCounts:
    """Unpack an archive safely into a temporary folder and read that."""
    with tempfile.TemporaryDirectory(prefix="histospace-") as folder:
        unpack(path, Path(folder), MeasurementError)
        return read_folder(Path(folder), choice, source=path)


def read_folder(folder: Path, choice: Choice = ONLY, source: Path | None = None) -> RawCounts:
    """Read the measurement of a folder, which may lie some folders deeper.

    Raises
    ------
    MeasurementError
        The reader raised it; or the folder holds outputs of several programs, or several stores
        and no choice.
    """
    source = source or folder
    samples = find_xenium(folder)
    stores = [s for s in find_stores(folder) if not any(x in s.parents for x in samples)]
    if not samples and not stores:
        return read_spaceranger(folder, choice, source)
    found = ["Xenium"] * bool(samples) + ["SpatialData"] * bool(stores)
    found += ["Space Ranger"] * bool(find_sections(folder, source).sections)
    if len(found) > 1:
        raise MeasurementError(
            f"holds outputs of {' and '.join(found)}, and one is read at a time",
            path=source,
            remedy="give each in a folder or archive of its own",
        )
    if samples:
        return read_xenium(folder, choice, source)
    if len(stores) == 1:
        return read_spatialdata(stores[0], choice, source)
    by_name = {store.relative_to(folder).as_posix(): store for store in stores}
    name = choose("sample", list(by_name), choice.sample, source)
    return read_spatialdata(by_name[name], replace(choice, sample=None), source)
