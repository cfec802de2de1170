"""10x Xenium: the output folder of the instrument, added up in tiles of the H&E slide."""

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import ONLY, Choice, choose, refuse_unused
from histospace_core.expression.hdf5 import open_hdf5
from histospace_core.expression.he_alignment import find_alignment, hidden_in, slide_matrix
from histospace_core.expression.points_to_tiles import (
    TILE_UM,
    Columns,
    Genes,
    TileSums,
    add_transcripts,
)
from histospace_core.expression.tenx import GENES, Matrix, read_10x_h5, read_10x_mtx

MANIFEST = "experiment.xenium"
TRANSCRIPTS = ("transcripts.parquet", "transcripts.csv.gz", "transcripts.csv")
CELLS = ("cells.parquet", "cells.csv.gz", "cells.csv")
DEPTH = 3  # levels of folders that are searched


def find_xenium(folder: Path) -> list[Path]:
    """Return the folders that hold the manifest of a Xenium output."""
    found = (p for depth in range(DEPTH) for p in folder.glob("*/" * depth + MANIFEST))
    return sorted(p.parent for p in found if p.is_file() and not hidden_in(p, folder))


def read_xenium(folder: Path, choice: Choice = ONLY, source: Path | None = None) -> RawCounts:
    """Read a Xenium output folder as counts in square tiles of `TILE_UM` on the H&E slide.

    Transcripts of quality 20 or more are added up if the folder has them; otherwise cells, each
    in the tile that holds its centroid.

    Raises
    ------
    MeasurementError
        A file is missing or damaged, or there are several samples or alignments and no choice.
    """
    source = source or folder
    refuse_unused(choice, ("sample", "library"), source)
    samples = {str(p.relative_to(folder)): p for p in find_xenium(folder)}
    sample = samples[choose("sample", list(samples), choice.sample, source)]
    pixel_um = _pixel_um(sample / MANIFEST)
    alignment = find_alignment(sample, choice.library, source)
    to_slide, he_um = slide_matrix(alignment, pixel_um)
    sums = TileSums(TILE_UM / he_um)
    notes = [
        f"Positions are in pixels of the H&E image that {alignment.name} aligns "
        f"(one pixel is {he_um:.4f} um)."
    ]
    file = _first(sample, TRANSCRIPTS)
    if file is not None:
        names, ids = _panel(sample)
        genes = Genes(names)
        with _damage(file):
            tally = add_transcripts([file], Columns(), genes, to_slide, sums)
        notes += tally.notes(sums.side)
    else:
        matrix, places, missing = _cells(sample, source)
        genes, ids = Genes(matrix.names), dict(zip(matrix.names, matrix.ids, strict=True))
        with _damage(sample):
            notes += add_cells(matrix, places @ to_slide[:2, :2].T + to_slide[:2, 2], genes, sums)
        if missing:
            notes.append(f"{missing} cells of the matrix have no position and were left out.")
    remedy = f"check that {alignment.name} belongs to this sample"
    return in_tiles(source, "xenium", sums, genes, ids, notes, remedy)


def in_tiles(
    source: Path,
    kind: str,
    sums: TileSums,
    genes: Genes,
    ids: Mapping[str, str],
    notes: list[str],
    remedy: str,
) -> RawCounts:
    """Return what was added up in tiles as counts.

    Parameters
    ----------
    source, kind, notes
        As in `RawCounts`.
    ids
        Ensembl id of each gene by name.
    remedy
        What to do if no tile has a transcript.

    Raises
    ------
    MeasurementError
        No transcript of a gene lies on the slide.
    """
    counts, tiles, centres = sums.matrix(len(genes.names))
    if not tiles:
        raise MeasurementError(
            "no transcript of a gene lies on the H&E slide", path=source, remedy=remedy
        )
    return RawCounts(
        source=source,
        kind=kind,
        counts=counts,
        spots=tiles,
        names=genes.names,
        gene_ids=[ids.get(name, "") for name in genes.names],
        centres=centres,
        notes=notes,
        spot_diameter=sums.side,
    )


def add_cells(
    matrix: Matrix, places: NDArray[np.float64], genes: Genes, sums: TileSums
) -> list[str]:
    """Add cells to the tiles that hold their centroids, and return notes.

    Parameters
    ----------
    places
        Centroids (n, 2), level-0 px.
    """
    coo = matrix.counts.tocoo()
    columns = np.array([genes.find(name) for name in matrix.names])
    outside = (places < 0).any(axis=1).sum()
    sums.add(places[coo.row], columns[coo.col], coo.data)
    notes = [
        f"{len(places) - outside:,} cells were added up in square tiles of {TILE_UM} um "
        f"({sums.side:.1f} px) by their centroids, because there is no table of transcripts."
    ]
    if outside:
        notes.append(f"{outside:,} cells above or left of the slide were left out.")
    return notes


def _pixel_um(manifest: Path) -> float:
    with _damage(manifest), manifest.open(encoding="utf-8") as handle:
        value = float(json.loads(handle.read(2**20))["pixel_size"])
    if not 0.01 < value < 10:
        raise MeasurementError(
            f"the pixel_size {value:g} um is not that of a microscope",
            path=manifest,
            remedy="use the file as the instrument wrote it",
        )
    return value


def _panel(sample: Path) -> tuple[list[str] | None, dict[str, str]]:
    """Return the genes of the panel and the Ensembl id of each, from the cell matrix if any."""
    file = _first(sample, ("cell_feature_matrix.h5",))
    if file is not None:
        with open_hdf5(file) as h5:  # without the counts, which are large
            group = h5["matrix/features"]
            columns = [
                [str(value) for value in group[key].asstr()[()]]
                for key in ("id", "name", "feature_type")
            ]
        rows = zip(*columns, strict=True)
    else:
        table = _first(sample, tuple(f"cell_feature_matrix/features.tsv{gz}" for gz in (".gz", "")))
        if table is None:
            return None, {}
        with _damage(table):
            frame = pd.read_csv(table, sep="\t", header=None, dtype=str, keep_default_na=False)
            rows = zip(*(frame[i].tolist() for i in range(3)), strict=True)
    ids = {name: gene_id for gene_id, name, kind in rows if kind == GENES}
    return list(ids), ids


def _cells(sample: Path, source: Path) -> tuple[Matrix, NDArray[np.float64], int]:
    """Return the matrix of the cells that have a centroid, their centroids in um, and the rest."""
    file = _first(sample, CELLS)
    h5 = _first(sample, ("cell_feature_matrix.h5",))
    mtx = _first(sample, tuple(f"cell_feature_matrix/matrix.mtx{gz}" for gz in (".gz", "")))
    if file is None or (h5 is None and mtx is None):
        raise MeasurementError(
            f"there is no {TRANSCRIPTS[0]}, nor both {CELLS[0]} and cell_feature_matrix.h5",
            path=source,
            remedy="copy these files from the Xenium output too",
        )
    matrix = read_10x_h5(h5) if h5 else read_10x_mtx(mtx)  # type: ignore[arg-type]
    cells = matrix.barcodes
    with _damage(file):
        columns = ["cell_id", "x_centroid", "y_centroid"]
        if file.suffix == ".parquet":
            table = pd.read_parquet(file, columns=columns)
        else:
            table = pd.read_csv(file, usecols=columns, dtype={"cell_id": str})
        keys = [k.decode() if isinstance(k, bytes) else str(k) for k in table["cell_id"]]
        where = pd.Index(keys).get_indexer(pd.Index(cells))
        places = table[columns[1:]].to_numpy(np.float64)[where]
    known = where >= 0
    if not known.any():
        raise MeasurementError(
            f"{file.name} and the matrix have no cell in common",
            path=source,
            remedy="give files of one sample",
        )
    kept = [cell for cell, keep in zip(cells, known, strict=True) if keep]
    return (
        Matrix(matrix.counts[known], kept, matrix.ids, matrix.names),
        places[known],
        int((~known).sum()),
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        detail = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise MeasurementError(
            f"the file is damaged or not as the instrument writes it ({detail})",
            path=path,
            remedy="copy it again",
        ) from error
