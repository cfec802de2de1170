"""`histospace export`: write a run in a format that other programs read."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from histospace_core.cli.terminal import names, out


class ExportKind(StrEnum):
    """Export formats."""

    csv = "csv"
    h5ad = "h5ad"
    spatialdata = "spatialdata"
    geojson = "geojson"
    ometiff = "ometiff"
    report = "report"


def export(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    to: Annotated[ExportKind, typer.Option("--to", help="Format.")],
    path: Annotated[Path, typer.Option("--out", help="New file; a report ends in .html or .pdf.")],
    genes: Annotated[
        str,
        typer.Option(
            help="Genes, separated by commas; by default all, the best 12 in geojson and ometiff, "
            "the best 6 in a report."
        ),
    ] = "",
) -> None:
    """Export a run for other tools, or as a report."""
    from histospace_core.exports import export_run

    export_run(run_dir, to.value, path, names(genes))
    out.print(f"{path}", markup=False, soft_wrap=True)  # one line, so that a script can read it
