"""SpatialData stores (`*.zarr`) of Visium, Visium HD and Xenium.

The layout is read with zarr, AnnData and pyarrow, because the spatialdata library pins versions of
Dask that this app cannot use. The tests compare every number with that library.
https://spatialdata.scverse.org/en/stable/design_doc.html
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.flags import read_flags
from histospace_core.expression.h5ad import flag_column, gene_names
from histospace_core.expression.h5ad_counts import find_counts
from histospace_core.expression.h5ad_library import library_size
from histospace_core.expression.points_to_tiles import (
    TILE_UM,
    Columns,
    Genes,
    TileSums,
    add_transcripts,
)
from histospace_core.expression.shapes import Shapes, read_shapes
from histospace_core.expression.slide_pixels import NoSlide, Placed, place
from histospace_core.expression.spatialdata_parts import (
    Annotation,
    annotations,
    molecules,
    point_files,
    which_molecules,
    which_table,
)
from histospace_core.expression.tenx import GENES, Matrix
from histospace_core.expression.xenium import add_cells, in_tiles
from histospace_core.expression.zarr_store import Group, open_store

CHECK_IMAGE = "check the transformation of the image"


def read_spatialdata(path: Path, choice: Choice = ONLY, source: Path | None = None) -> RawCounts:
    """Read one table of a SpatialData store with the positions of its spots on the slide.

    Spots and bins are read as they are. Molecules and cells of Xenium are added up in square tiles
    of the H&E image that is aligned in the store.

    Raises
    ------
    MeasurementError
        The store is hostile, damaged or of another kind, holds several tables and no choice, or
        nothing ties its positions to the slide.
    """
    source = source or path
    with open_store(path) as root, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old but readable encodings
        tables, transcripts = annotations(root), molecules(path, root)
        if not tables and not transcripts:
            raise MeasurementError(
                "the zarr store holds no table of SpatialData",
                path=source,
                remedy="give a SpatialData store with `tables`, or save the AnnData as .h5ad",
            )
        try:
            points = which_molecules(root, tables, transcripts, choice, source)
            if points is not None:
                return _read_molecules(path, root, points, tables, source)
            return _read_table(path, root, which_table(tables, choice, source), source)
        except NoSlide as error:
            raise MeasurementError(
                f"nothing ties the positions to the pixels of one slide ({error})",
                path=source,
                remedy="keep one H&E image in the store, with its transformation to the "
                "coordinate system of the measurement",
            ) from error


def _read_molecules(
    path: Path, root: Group, name: str, tables: dict[str, Annotation], source: Path
) -> RawCounts:
    element = root[f"points/{name}"]
    placed = place(root, element)
    sums = TileSums(_require_image(placed, source) * TILE_UM)
    ids: dict[str, str] = {}
    for annotation in tables.values():
        ids |= _panel(read_elem(root[f"{annotation.table}/var"]))
    genes = Genes(ids or None)
    columns = Columns("x", "y", str(element.attrs["spatialdata_attrs"]["feature_key"]))
    files = point_files(path, name)
    tally = add_transcripts(files, columns, genes, placed.to_slide, sums)
    notes = [placed.note, *tally.notes(sums.side)]
    return in_tiles(source, "spatialdata", sums, genes, ids, notes, CHECK_IMAGE)


def _require_image(placed: Placed, source: Path) -> float:
    """Return level-0 px in a micrometre, the unit of Xenium's positions."""
    if not placed.image:
        raise MeasurementError(
            "the store holds no H&E image, so nothing ties the positions of Xenium to the slide",
            path=source,
            remedy="add the image with its alignment (spatialdata_io.xenium_aligned_image), or "
            "give the Xenium folder with its alignment file",
        )
    return placed.scale


def _panel(var: pd.DataFrame) -> dict[str, str]:
    """Return the Ensembl id of each gene by name; controls and proteins are not genes."""
    names, ids = gene_names(var)
    keep = _are_genes(var)
    return {n: i for n, i, k in zip(names, ids or [""] * len(names), keep, strict=True) if k}


def _are_genes(var: pd.DataFrame) -> NDArray[np.bool_]:
    if "feature_types" not in var:
        return np.ones(len(var), bool)
    return (var["feature_types"].astype(str) == GENES).to_numpy()


def _read_table(path: Path, root: Group, chosen: Annotation, source: Path) -> RawCounts:
    group = root[chosen.table]
    obs = read_elem(group["obs"])
    found = find_counts(group, obs, source)
    counts, var = found.matrix, found.var
    keep_genes = _are_genes(var)
    counts, var = counts[:, keep_genes], var[keep_genes]
    rows, notes = _rows(obs, root[chosen.table].attrs, chosen.region, source)
    counts, obs = counts[rows], obs[rows]
    shapes, element, keys = _shapes(path, root, chosen, obs, source)
    where = shapes.index.get_indexer(keys)
    if (where < 0).any():
        raise MeasurementError(
            f"{(where < 0).sum():,} rows of {chosen.table} have no shape in {element}",
            path=source,
            remedy="write the store again",
        )
    placed = place(root, root[element])
    centres = shapes.centres[where] @ placed.to_slide[:2, :2].T + placed.to_slide[:2, 2]
    names, ids = gene_names(var)
    if "transcript_counts" in obs:
        sums = TileSums(_require_image(placed, source) * TILE_UM)
        genes, by_name = Genes(names), dict(zip(names, ids or [""] * len(names), strict=True))
        cells = Matrix(counts, list(keys), ids or names, names)
        notes = [placed.note, *notes, *add_cells(cells, centres, genes, sums)]
        return in_tiles(source, "spatialdata", sums, genes, by_name, notes, CHECK_IMAGE)
    if not shapes.regular:
        raise MeasurementError(
            f"{element} holds cells, and their size in um is known for Xenium only",
            path=source,
            remedy="add the cells up in tiles and save them as .h5ad",
        )
    found.matrix, found.var = counts, var
    library = library_size(found, obs, set(group.get("uns", ())), source)
    return RawCounts(
        source=source,
        kind="spatialdata",
        counts=counts,
        spots=obs.index.astype(str).tolist(),
        names=names,
        gene_ids=ids,
        centres=centres,
        notes=[placed.note, *notes, *found.notes],
        spot_diameter=float(np.median(shapes.widths)) * placed.scale,
        library=library,
    )


def _rows(
    obs: pd.DataFrame, attrs: Any, region: str, source: Path
) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows annotate a region and lie under tissue, and what was left out."""
    notes = []
    rows = (obs[str(attrs["region_key"])].astype(str) == region).to_numpy()
    if not rows.all():
        notes.append(f"{(~rows).sum():,} rows of other regions were left out.")
    if column := flag_column(obs):
        under = read_flags(obs[column], column, obs.index.astype(str).tolist(), source)
        if (rows & ~under).any():
            notes.append(f"{(rows & ~under).sum():,} spots are not under tissue and were left out.")
        rows &= under
    return rows, notes


def _shapes(
    path: Path, root: Group, chosen: Annotation, obs: pd.DataFrame, source: Path
) -> tuple[Shapes, str, pd.Index]:
    """Return the shapes that rows annotate, their element, and each row's shape by name.

    Tables of Xenium annotate the labels of cells; the circles or outlines of the same cells are
    found by the id of the cell.
    """
    element = f"shapes/{chosen.region}"
    key = str(root[chosen.table].attrs["instance_key"])
    if element in root:
        keys = pd.Index(obs[key].astype(str), dtype=object)
        return read_shapes(path / element, root[element]), element, keys
    for name in ("cell_circles", "cell_boundaries"):
        if f"shapes/{name}" in root and "cell_id" in obs:
            keys = pd.Index(obs["cell_id"].astype(str), dtype=object)
            return (
                read_shapes(path / "shapes" / name, root[f"shapes/{name}"]),
                f"shapes/{name}",
                keys,
            )
    raise MeasurementError(
        f"{chosen.table} annotates {chosen.region}, which is not among the shapes of the store",
        path=source,
        remedy="write the store with the shapes of the spots or cells",
    )
