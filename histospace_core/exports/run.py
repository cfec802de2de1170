"""Export a finished run in one of the forms of `histospace export --to`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from histospace_core.errors import StoreError
from histospace_core.exports.csv import map_csv
from histospace_core.exports.gene_choice import best_genes, require_genes
from histospace_core.exports.geojson import write_geojson
from histospace_core.exports.h5ad import write_h5ad
from histospace_core.exports.ometiff import write_ometiff
from histospace_core.exports.spatialdata import write_spatialdata
from histospace_core.files import create, require_new
from histospace_core.inference import Prediction, open_prediction
from histospace_core.out_lock import alone_in


@dataclass(frozen=True)
class Form:
    """A form of export.

    Attributes
    ----------
    what : str
        A short description, with its purpose.
    suffixes : tuple of str
        Allowed file name extensions; the first is the default.
    write : callable
        Writes some genes of a prediction to a new path.
    n_genes : int or None
        Number of genes if the user names none: those with the best scores; None for all genes.
    """

    what: str
    suffixes: tuple[str, ...]
    write: Callable[[Prediction, Sequence[str], Path], None]
    n_genes: int | None = None


def _write_csv(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    with create(out) as part:
        part.write_bytes(map_csv(prediction, genes))


def _write_report(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    # Imported here because matplotlib takes a second to load.
    from histospace_core.exports.report import write_report

    write_report(prediction, genes, out)


FORMS: Final = {
    "csv": Form("a table, one row per tile", (".csv",), _write_csv),
    "h5ad": Form("AnnData for scanpy and squidpy", (".h5ad",), write_h5ad),
    "spatialdata": Form("a store for napari-spatialdata", (".zarr",), write_spatialdata),
    "geojson": Form("tiles as detections for QuPath", (".geojson",), write_geojson, 12),
    "ometiff": Form("maps as a pyramidal OME-TIFF", (".ome.tif",), write_ometiff, 12),
    "report": Form("a report to read, print and file", (".pdf", ".html"), _write_report, 6),
}


@alone_in("out")
def export_run(
    run_dir: Path, kind: str, out: Path, genes: Sequence[str] = (), *, slide_name: str = ""
) -> None:
    """Export a finished run.

    Parameters
    ----------
    run_dir : pathlib.Path
        Folder of the run.
    kind : str
        One of :data:`FORMS`.
    out : pathlib.Path
        A new file or folder; after an error, nothing is left there.
    genes : sequence of str
        Genes to export; if empty, the genes with the best scores, as many as the form takes.
    slide_name : str
        Name of the slide for the user, if its file in the store has another name.

    Raises
    ------
    StoreError
        The folder is not a finished run, a gene or the kind is unknown, or `out` cannot be written.
    """
    if kind not in FORMS:
        raise StoreError(f"Unknown form '{kind}'; choose one of {', '.join(FORMS)}.")
    require_new(out)  # before long work
    form, prediction = FORMS[kind], open_prediction(run_dir)
    if slide_name:
        prediction.record = prediction.record.with_slide_name(slide_name)
    chosen = require_genes(prediction, genes)
    if not chosen:
        chosen = prediction.genes
        if form.n_genes is not None:
            chosen = best_genes(prediction, form.n_genes)
    form.write(prediction, chosen, out)
