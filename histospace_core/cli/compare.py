"""`histospace compare`: a run against measured expression of the same section."""

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
    Spots,
    out,
    progress_bar,
)


def compare(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    measured: Annotated[
        Path, typer.Option(help="Counts: TSV, Space Ranger or Xenium folder, h5ad, SpatialData.")
    ],
    to: Out,
    spots: Spots = None,
    sample: Sample = None,
    bin_size: BinSize = None,
    library: Library = None,
    slide: Annotated[
        Path | None,
        typer.Option(help="Slide of the run: a tile centred on every spot is predicted too."),
    ] = None,
    device: Device = Device.auto,
) -> None:
    """Compare a run with measured spatial transcriptomics of the same section."""
    # Imported here, so that --help does not wait for torch.
    from histospace_core import api
    from histospace_core.comparison.interval import coverage_sentence
    from histospace_core.expression import Choice

    choice = Choice(sample, bin_size, library)
    with progress_bar("spots") as report:
        summary = api.compare(
            run_dir,
            measured,
            out=to,
            spots=spots,
            choice=choice,
            slide=slide,
            device=device.value,
            on_progress=report,
        ).summary
    out.print(_scores(summary))
    out.print(f"{summary['n_spots']} spots, {summary['n_genes_scored']:,} genes: {to}")
    if summary["at_spots"]:
        out.print(f"map: {summary['label']}; at the spots: {summary['at_spots']['label']}")
    if summary["interval"]:
        out.print(coverage_sentence(summary["interval"]))
    out.print(summary["alignment"]["message"])
    for note in summary["measured_notes"]:
        out.print(note, markup=False)
    for warning in (summary["training_warning"], summary["domain_warning"]):
        if warning:
            out.print(f"[yellow]{warning}[/yellow]")


def _scores(summary: dict[str, Any]) -> Table:
    """Return the scores of the map, and of the spots where they were predicted."""
    at_spots = summary["at_spots"]
    columns = [summary, at_spots] if at_spots else [summary]
    names = ["map", "at the spots"] if at_spots else ["prediction"]
    table = Table("", *names, "mean profile, no image")
    for label, key, mean in (
        ("per-gene r", "per_gene_pearson", 0.0),
        ("error ratio (below 1 is better)", "mse_ratio_to_mean", 1.0),
        ("per-spot r (misleading alone)", "per_spot_pearson",
         summary["mean_profile_per_spot_pearson"]),
    ):  # fmt: skip
        table.add_row(label, *(_score(scores[key]) for scores in columns), _score(mean))
    return table


def _score(value: float | None) -> str:
    return "not evaluable" if value is None else f"{value:.3f}".removesuffix(".000")
