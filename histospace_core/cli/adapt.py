"""`histospace adapt`: a model and one measured section of a patient."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from histospace_core.cli.terminal import (
    BinSize,
    Device,
    Library,
    Out,
    Sample,
    Series,
    Spots,
    out,
    progress_bar,
)
from histospace_core.settings import get_settings


def adapt(
    model: Annotated[str, typer.Argument(help="Name or folder of a HistoSPACE+ model.")],
    slide: Annotated[Path, typer.Option(help="Slide of the measured section.")],
    measured: Annotated[
        Path,
        typer.Option(help="Its counts: TSV, Space Ranger or Xenium folder, h5ad, SpatialData."),
    ],
    to: Out,
    spots: Spots = None,
    mpp: Annotated[float | None, typer.Option(min=0.01, help="Pixel size, um per px.")] = None,
    patient: Annotated[str, typer.Option(help="Pseudonym of the patient, for the card.")] = "",
    series: Series = None,
    sample: Sample = None,
    bin_size: BinSize = None,
    library: Library = None,
    add_genes: Annotated[
        bool, typer.Option("--add-genes", help="Also predict the section's own frequent genes.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the tuned branch.")] = None,
    device: Device = Device.auto,
) -> None:
    """Adapt a model to a patient on one measured section, for the patient's other slides."""
    from histospace_core.expression import Choice
    from histospace_core.networks import load_package
    from histospace_core.training import Section, adapt_model
    from histospace_core.training.adapt_fit import ADAPT

    settings = get_settings()
    package = load_package(model, [settings.models, settings.trained_dir])
    name, choice = slide.stem, Choice(sample, bin_size, library)
    section = Section(name, patient or name, slide, measured, spots, mpp, series, choice)
    with progress_bar("adapting") as report:
        package = adapt_model(
            package,
            section,
            to,
            extend=add_genes,
            recipe=ADAPT.with_(epochs=epochs),
            device=device.value,
            on_progress=report,
        )
    adapted = package.config["adapted"]
    out.print(_adapted_table(adapted))
    out.print(
        f"{package.name}: {len(package.genes):,} genes, "
        f"{package.config['metrics']['n_genes_reliable']:,} reliable, for slides of patient "
        f"{adapted['patient']} only: {to}",
        markup=False,
    )


def _adapted_table(adapted: dict[str, Any]) -> Table:
    """Return the scores within held-out blocks: adapted, as it was, and the mean profile."""
    after, before = adapted["on_genes_of_model"], adapted["unadapted"]
    title = (
        f"{adapted['n_blocks']} blocks of {adapted['section']}, {before['n_genes_scored']} genes"
    )
    table = Table("", "adapted", "not adapted", "mean profile", title=title)
    for label, key, mean in (
        ("per-gene r", "per_gene_pearson", "0"),
        ("error ratio (below 1 is better)", "mse_ratio_to_mean", "1"),
    ):
        table.add_row(label, *(_shown(scores[key]) for scores in (after, before)), mean)
    return table


def _shown(value: float | None) -> str:
    return "not evaluable" if value is None else f"{value:.3f}"
