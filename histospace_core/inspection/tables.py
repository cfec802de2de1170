"""Facts of the smaller files: cohort tables, annotations, spot positions and other JSON."""

import json

import numpy as np

from histospace_core.errors import HistospaceError, MeasurementError, StoreError
from histospace_core.expression.positions import read_positions
from histospace_core.expression.recognise import recognise
from histospace_core.expression.spots import read_spots
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.request import Request

LARGEST_JSON = 64 * 2**20


def describe_cohort(request: Request, found: Inspection) -> None:
    """Add the numbers of a cohort table; whose sections they are stays unsaid."""
    from histospace_core.training.cohort import read_cohort  # loads torch

    sections = read_cohort(request.path)
    patients = len({section.patient for section in sections})
    found.add("sections", f"{len(sections):,}", len(sections))
    found.add("patients", f"{patients:,}", patients)
    stated = sum(section.mpp is not None for section in sections)
    found.add("pixel sizes", f"{stated:,} in the table, the others from the slides", stated)
    found.withheld.append("names of patients: present, not shown")


def describe_annotations(request: Request, found: Inspection) -> None:
    """Add the regions of a GeoJSON file."""
    from histospace_core.characterise.geojson import read_regions  # loads torch

    regions = read_regions(request.path)
    found.add("regions", f"{len(regions):,}", len(regions))
    polygons = sum(len(region.polygons) for region in regions)
    found.add("polygons", f"{polygons:,}", polygons)
    found.add("classes", ", ".join(region.name for region in regions[:12]))


def describe_spots(request: Request, found: Inspection) -> None:
    """Add the facts of a file of positions, which is a part of a measurement.

    Raises
    ------
    MeasurementError
        Always: the file is of no use without its counts, or cannot be read.
    """
    path = request.path
    try:
        positions = read_positions(path)
        columns = ["pxl_col_in_fullres", "pxl_row_in_fullres"]
        under, belongs = positions["in_tissue"] == 1, "a folder of Space Ranger: name the folder"
    except HistospaceError:
        positions = read_spots(path)
        columns = ["pixel_x", "pixel_y"]
        under, belongs = positions["selected"] == 1, "a table of counts: name both, this as --spots"
    found.add("spots", f"{len(positions):,}, {int(under.sum()):,} under tissue", len(positions))
    (x0, y0), (x1, y1) = np.min(positions[columns], axis=0), np.max(positions[columns], axis=0)
    found.add(
        "positions",
        f"x {x0:,.1f} to {x1:,.1f}, y {y0:,.1f} to {y1:,.1f}; taken as level-0 px",
        {"x": [float(x0), float(x1)], "y": [float(y0), float(y1)]},
    )
    what, remedy = belongs.split(": ")
    raise MeasurementError(
        f"it holds positions only and belongs to {what}", path=path, remedy=remedy
    )


def describe_json(request: Request, found: Inspection) -> None:
    """Name the keys of a JSON file that is no annotation.

    Raises
    ------
    StoreError
        Always: nothing reads such a file by itself.
    """
    path = request.path
    try:
        recognise(path)
    except MeasurementError as refused:
        if "a JSON file" not in refused.problem:  # a file of Loupe or Xenium
            raise
    try:
        content = json.loads(path.read_text("utf-8")) if path.stat().st_size < LARGEST_JSON else {}
    except ValueError:
        raise StoreError("it is not valid JSON", path=path, remedy="save it again") from None
    keys = list(content)[:12] if isinstance(content, dict) else []
    found.add("keys", ", ".join(map(str, keys)) or "none", keys)
    scale = any("scalef" in str(key) for key in keys)
    remedy = "name the Space Ranger folder that it lies in" if scale else "name the folder of it"
    raise StoreError("a JSON file of this kind is not read by itself", path=path, remedy=remedy)
