"""Predictions in forms that other programs read."""

from collections.abc import Sequence
from pathlib import Path

from histospace_core.errors import StoreError
from histospace_core.exports.csv import file_name, genes_csv, map_csv, spots_csv
from histospace_core.exports.geojson import write_geojson
from histospace_core.exports.h5ad import write_h5ad
from histospace_core.exports.part import whole
from histospace_core.inference import open_prediction

__all__ = [
    "export_run",
    "file_name",
    "genes_csv",
    "map_csv",
    "spots_csv",
    "write_geojson",
    "write_h5ad",
]


def export_run(run_dir: Path, kind: str, out: Path, genes: Sequence[str] = ()) -> None:
    """Export a finished run as one file.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of the run.
    kind : {"csv", "h5ad", "geojson"}
    out : pathlib.Path
        A new file; it appears whole or not at all.
    genes : sequence of str
        What to export; all genes if empty.

    Raises
    ------
    StoreError
        The run, a gene, the kind or the place of the file is wrong.
    """
    prediction = open_prediction(run_dir)
    chosen = list(genes) or prediction.genes
    unknown = sorted(set(chosen) - set(prediction.genes))
    if unknown:
        raise StoreError(
            f"This run has no gene {', '.join(unknown[:5])}; its model predicts "
            f"{len(prediction.genes)} genes, listed in genes.csv of the model."
        )
    if kind == "csv":
        with whole(out) as part:
            part.write_bytes(map_csv(prediction, chosen))
    elif kind == "h5ad":
        write_h5ad(prediction, chosen, out)
    elif kind == "geojson":
        write_geojson(prediction, chosen, out)
    else:
        raise StoreError(f"Unknown form '{kind}'; choose csv, h5ad or geojson.")
