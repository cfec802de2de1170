"""HistoSPACE from Python: ``import histospace_core as hs``.

The functions match the commands of the command line. They take paths or opened objects, and return
the objects of the core.

Examples
--------
>>> import histospace_core as hs
>>> run = hs.predict("slide.svs", out="run", model="histospace-plus-her2st")
>>> run.gene("ERBB2")  # one value per tile; no other gene is read
>>> table = hs.to_anndata(run)  # for scanpy and squidpy, with an overview of the slide
>>> hs.export(run, "report.pdf", to="report")
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import anndata

from histospace_core.characterise.run import Characterisation
from histospace_core.comparison.compare import Comparison, compare_run
from histospace_core.errors import HistospaceError
from histospace_core.exports import export_run
from histospace_core.exports.characterisation import characterise_to
from histospace_core.exports.gene_choice import require_genes
from histospace_core.exports.table import spatial_table
from histospace_core.expression import Choice, Placement, read_measured
from histospace_core.expression.choice import ONLY
from histospace_core.inference import Prediction, open_prediction, predict_slide
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.inspect import inspect_path
from histospace_core.networks import ModelPackage, list_packages, load_package
from histospace_core.progress import OnProgress, no_progress
from histospace_core.sample import Phantom, make_phantom
from histospace_core.settings import get_settings
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.probe import probe_slide

__all__ = [
    "HistospaceError",
    "characterise_run",
    "compare",
    "export",
    "inspect",
    "make_sample",
    "models",
    "open_slide",
    "predict",
    "read_measured",
    "read_run",
    "to_anndata",
]


def predict(
    slide: str | Path | Slide,
    *,
    out: str | Path,
    model: str | Path | ModelPackage | None = None,
    mpp: float | None = None,
    stain: str = "none",
    stride_um: float | None = None,
    device: str = "auto",
    series: str | None = None,
    icc: bool = True,
    on_progress: OnProgress = no_progress,
) -> Prediction:
    """Predict gene expression for every tissue tile of a slide.

    After an interruption, a call with the same arguments resumes where the run stopped; of a
    finished run it returns the result.

    Parameters
    ----------
    slide : path or Slide
        A slide file, or one opened with `open_slide`.
    out : path
        Folder of the run.
    model : str, path or ModelPackage, optional
        Name or folder of a model; by default the app's default model.
    mpp : float, optional
        Pixel size in um per px, required if the file does not state it; it is never guessed.
    stain : {"none", "vahadane", "macenko", "reinhard"}
        Stain normalisation.
    stride_um : float, optional
        Distance between tile centres in um; by default the width of a tile.
    device : {"auto", "cpu", "cuda"}
    series : str, optional
        Image to read, if the file holds several.
    icc : bool
        Convert colours to sRGB by the profile that the file embeds.
    on_progress : callable, optional
        Called with a `Progress` for each block of tiles; may raise `Cancelled` to stop.

    Returns
    -------
    Prediction
        The finished run.

    Raises
    ------
    HistospaceError
        The slide, its pixel size, the model or the folder cannot be used; the message says why.
    """
    package = model if isinstance(model, ModelPackage) else _package(model)
    if isinstance(slide, Slide):
        opened: AbstractContextManager[Slide] = nullcontext(slide)  # who opened it closes it
    else:
        # in a child process: a damaged file can crash a reader
        probe_slide(Path(slide), mpp, series=series, icc=icc)
        opened = open_slide(Path(slide), mpp, series=series, icc=icc)
    with opened as ready:
        predict_slide(
            ready,
            package,
            Path(out),
            stain=stain,
            stride_um=stride_um,
            device=device,
            on_progress=on_progress,
        )
    return open_prediction(out)


def read_run(run: str | Path) -> Prediction:
    """Open a finished run, made by the app, the command line or `predict`.

    Raises
    ------
    HistospaceError
        The folder holds no finished run, or a damaged one.
    """
    return open_prediction(run)


def to_anndata(run: str | Path | Prediction, genes: Sequence[str] = ()) -> anndata.AnnData:
    """Return a run as tiles x genes, with positions, an overview of the slide and scores.

    Parameters
    ----------
    run : path or Prediction
    genes : sequence of str
        All genes if empty.

    Returns
    -------
    AnnData
        As `histospace export --to h5ad` writes it; tiles without a prediction are left out.
    """
    prediction = _prediction(run)
    return spatial_table(prediction, require_genes(prediction, genes) or prediction.genes)


def compare(
    run: str | Path | Prediction,
    measured: str | Path | anndata.AnnData,
    *,
    out: str | Path,
    spots: str | Path | None = None,
    choice: Choice = ONLY,
    placement: Placement | None = None,
    slide: str | Path | Slide | None = None,
    model: str | Path | ModelPackage | None = None,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Comparison:
    """Score a run against measured spatial transcriptomics of the same section.

    Parameters
    ----------
    run : path or Prediction
    measured : path or AnnData
        Counts (TSV, Space Ranger folder or zip, h5ad), or the result of `read_measured`.
    out : path
        New folder for `genes.csv`, `summary.json` and `spots.h5ad`; in ``RUN/comparisons/`` it
        becomes part of the run's report.
    spots : path, optional
        Spot positions that belong to a TSV of counts.
    choice : Choice, optional
        Which sample, bin size or library to read where `measured` holds several.
    placement : Placement, optional
        How to move the spots onto the slide; the summary records it.
    slide : path or Slide, optional
        The slide that the run predicted. A tile centred on each spot is then predicted and scored
        too: `summary["at_spots"]`.
    model : str, path or ModelPackage, optional
        Name or folder of the run's model; by default the installed model of that name.
    device : {"auto", "cpu", "cuda"}
    on_progress : callable, optional
        Called with a `Progress` while the spots are predicted.

    Returns
    -------
    Comparison
        `summary` has every score beside the mean profile's; `genes` has one row per gene.

    Raises
    ------
    HistospaceError
        The measurement cannot be read, or its spots do not lie on this slide.
    """
    if not isinstance(measured, anndata.AnnData):
        measured = read_measured(Path(measured), None if spots is None else Path(spots), choice)
    prediction = _prediction(run)
    with nullcontext() if slide is None else _run_slide(slide, prediction) as opened:
        package = None
        if opened is not None:
            name = prediction.record.model.name if model is None else model
            package = name if isinstance(name, ModelPackage) else _package(name)
        return compare_run(
            prediction.run_dir,
            measured,
            Path(out),
            placement=placement,
            slide=opened,
            model=package,
            device=device,
            on_progress=on_progress,
        )


def characterise_run(
    run: str | Path | Prediction,
    *,
    out: str | Path,
    signatures: str | Path | None = None,
    annotations: str | Path | None = None,
    comparison: str | Path | None = None,
    all_genes: bool = False,
    seed: int = 0,
) -> Characterisation:
    """Find the tissue domains of a run, their markers, and where each signature is high.

    Parameters
    ----------
    run : path or Prediction
    out : path
        New folder for the tables, GeoJSON and figures; in ``RUN/characterisations/`` it becomes
        part of the run's report.
    signatures : path, optional
        GMT file to use instead of the built-in signatures.
    annotations : path, optional
        GeoJSON of regions to compare the domains with.
    comparison : path, optional
        Folder of a comparison of this run, to compare the results with the measurement.
    all_genes : bool
        Include unreliable genes.
    seed : int

    Returns
    -------
    Characterisation
        `summary` is the content of ``summary.json``.
    """
    return characterise_to(
        _prediction(run).run_dir,
        Path(out),
        signatures=None if signatures is None else Path(signatures),
        annotations=None if annotations is None else Path(annotations),
        comparison=None if comparison is None else Path(comparison),
        all_genes=all_genes,
        seed=seed,
    )


def export(
    run: str | Path | Prediction, out: str | Path, *, to: str, genes: Sequence[str] = ()
) -> Path:
    """Export a run to a file or folder for other programs, or as a report.

    Parameters
    ----------
    run : path or Prediction
    out : path
        A new file or folder; a report ends in ``.html`` or ``.pdf``.
    to : {"csv", "h5ad", "spatialdata", "geojson", "ometiff", "report"}
    genes : sequence of str
        If empty: the most reliable 12 in geojson and ometiff, 6 in a report, else all genes.

    Returns
    -------
    pathlib.Path
        The file or folder that was written.
    """
    export_run(_prediction(run).run_dir, to, Path(out), genes)
    return Path(out)


def inspect(
    path: str | Path,
    *,
    spots: str | Path | None = None,
    series: str | None = None,
    choice: Choice = ONLY,
) -> Inspection:
    """Say what a file or folder is and holds, and whether it can be used.

    Parameters
    ----------
    path : path
    spots : path, optional
        Spot positions that belong to a TSV of counts.
    series : str, optional
        Image to read, if the file holds several.
    choice : Choice, optional
        Which sample, bin size or library to read where there are several.

    Returns
    -------
    Inspection
        ``text()`` is for a person, ``to_json()`` for a program. A file that the readers refuse is
        no exception here: ``problem`` holds their sentence.
    """
    return inspect_path(path, spots, series=series, choice=choice)


def models() -> list[ModelPackage]:
    """Return the installed models: the built-in ones and those trained here."""
    settings = get_settings()
    return list_packages([settings.models, settings.trained_dir])


def make_sample(folder: str | Path) -> Phantom:
    """Draw the sample, a section with known expression; nothing is downloaded.

    Returns
    -------
    Phantom
        `image`, `counts` and `spots` are its files.
    """
    return make_phantom(Path(folder))


def _run_slide(slide: str | Path | Slide, run: Prediction) -> AbstractContextManager[Slide]:
    from histospace_core.inference.at_spots import open_run_slide

    return (
        nullcontext(slide) if isinstance(slide, Slide) else open_run_slide(Path(slide), run.record)
    )


def _package(model: str | Path | None) -> ModelPackage:
    settings = get_settings()
    name = settings.default_model if model is None else model
    return load_package(name, [settings.models, settings.trained_dir])


def _prediction(run: str | Path | Prediction) -> Prediction:
    return run if isinstance(run, Prediction) else open_prediction(run)
