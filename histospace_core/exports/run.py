"""Export a finished run in one of the forms that `histospace export --to` offers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from histospace_core.errors import StoreError
from histospace_core.exports.csv import map_csv
from histospace_core.exports.gene_choice import best_genes, known_genes
from histospace_core.exports.geojson import write_geojson
from histospace_core.exports.h5ad import write_h5ad
from histospace_core.exports.ometiff import write_ometiff
from histospace_core.exports.spatialdata import write_spatialdata
from histospace_core.files import create
from histospace_core.inference import Prediction, open_prediction


@dataclass(frozen=True)
class Form:
    """A form of export.

    Attributes
    ----------
    what : str
        What it is for, in a few words.
    suffixes : tuple of str
        How its files may end; the first is the usual one.
    write : callable
        Writes some genes of a prediction to a new path.
    n_genes : int or None
        How many genes it takes where its user names none, the best supported; None for all.
    """

    what: str
    suffixes: tuple[str, ...]
    write: Callable[[Prediction, Sequence[str], Path], None]
    n_genes: int | None = None


def _write_csv(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    with create(out) as part:
        part.write_bytes(map_csv(prediction, genes))


def _write_report(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    from histospace_core.exports.report import write_report  # matplotlib takes a second to load

    write_report(prediction, genes, out)


FORMS: Final = {
    "csv": Form("a table, one row a tile", (".csv",), _write_csv),
    "h5ad": Form("AnnData for scanpy and squidpy", (".h5ad",), write_h5ad),
    "spatialdata": Form("a store for napari-spatialdata", (".zarr",), write_spatialdata),
    "geojson": Form("tiles as detections for QuPath", (".geojson",), write_geojson, 12),
    "ometiff": Form("maps as a pyramidal OME-TIFF", (".ome.tif",), write_ometiff, 12),
    "report": Form("a report to read, print and file", (".pdf", ".html"), _write_report, 6),
}


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
        A new file or folder; it appears whole or not at all.
    genes : sequence of str
        What to export; where empty, as many of the best supported genes as the form takes.
    slide_name : str
        What its user calls the slide, where its file in a store is called otherwise.

    Raises
    ------
    StoreError
        The run, a gene, the kind or the place of the file is wrong.
    """
    if kind not in FORMS:
        raise StoreError(f"Unknown form '{kind}'; choose one of {', '.join(FORMS)}.")
    form, prediction = FORMS[kind], open_prediction(run_dir)
    if slide_name:
        prediction.record = prediction.record.with_slide_name(slide_name)
    chosen = known_genes(prediction, genes)
    if not chosen:
        chosen = prediction.genes
        if form.n_genes is not None:
            chosen = best_genes(prediction, form.n_genes)
    form.write(prediction, chosen, out)
