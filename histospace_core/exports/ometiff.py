"""Gene maps as a pyramidal OME-TIFF: one channel per gene, over the whole slide.

The image covers the whole slide from its upper left corner, so that a viewer that aligns images by
physical size shows the map in the right place.
https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html
"""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import tifffile

from histospace_core.figures.colours import unit_label
from histospace_core.figures.grid import TileGrid, tile_grid
from histospace_core.files import create
from histospace_core.inference import RESEARCH_USE, Prediction

FINEST: Final = 8
"""Pixels per tile stride at the finest level; the coarsest level has one."""
_TILE = 256


def write_ometiff(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write predicted expression as float32, NaN where there is none.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        One channel each, named after the gene and its unit.
    out : pathlib.Path
        A new file, usually ``*.ome.tif``.

    Raises
    ------
    StoreError
        The file exists or cannot be written, or the model does not predict a gene.
    """
    record = prediction.record
    stride = record.tiles.stride_level0_px
    grid = tile_grid(prediction.centres, prediction.tile_level0, stride)
    maps = [grid.fill(prediction.gene(gene)) for gene in genes]
    unit = unit_label(record.model.expression_unit)
    # 8, 4, 2 and 1 px per stride
    steps = [stride / FINEST * 2**level for level in range(FINEST.bit_length())]
    # BigTIFF, because many genes can exceed the 4 GB of a TIFF
    with create(out) as part, tifffile.TiffWriter(part, bigtiff=True, ome=True) as file:
        for level, step in enumerate(steps):
            shape = (
                len(genes),
                ceil(record.slide.height / step),
                ceil(record.slide.width / step),
            )
            size_um = step * prediction.mpp
            metadata = {
                "axes": "CYX",
                "Name": record.slide.name,
                "Description": f"{RESEARCH_USE} Predicted by {record.model.name}, {unit}.",
                "PhysicalSizeX": size_um,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": size_um,
                "PhysicalSizeYUnit": "µm",
                "Channel": {"Name": [f"{gene}, {unit}" for gene in genes]},
            }
            file.write(
                _tiles(maps, grid, shape, step),
                shape=shape,
                dtype=np.float32,
                tile=(_TILE, _TILE),
                compression="adobe_deflate",
                photometric="minisblack",
                resolution=(1e4 / size_um, 1e4 / size_um),  # px per cm
                resolutionunit="CENTIMETER",
                # OME-TIFF has the coarser levels in the SubIFDs of the finest
                subifds=len(steps) - 1 if level == 0 else None,
                subfiletype=0 if level == 0 else 1,
                metadata=metadata if level == 0 else None,
            )


def _tiles(
    maps: list[npt.NDArray[np.float32]], grid: TileGrid, shape: tuple[int, int, int], step: float
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the image tile by tile, map after map; no full-size map is ever in memory."""
    rows = _cells(grid.y_edges, shape[1], step)
    columns = _cells(grid.x_edges, shape[2], step)
    for picture in maps:
        # `_cells` returns -1 where there is no tile; the added last row and column are NaN.
        framed = np.pad(picture, ((0, 1), (0, 1)), constant_values=np.nan)
        for top in range(0, shape[1], _TILE):
            for left in range(0, shape[2], _TILE):
                yield framed[np.ix_(rows[top : top + _TILE], columns[left : left + _TILE])]


def _cells(edges: npt.NDArray[np.float64], n: int, step: float) -> npt.NDArray[np.intp]:
    """Return the grid cell that contains the centre of each pixel; -1 if there is none."""
    middle = (np.arange(n) + 0.5) * step
    cell = np.searchsorted(edges, middle, side="right") - 1
    cell[cell >= len(edges) - 1] = -1
    return cell
