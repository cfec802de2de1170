"""`histospace data`: download public cohorts by name."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, TransferSpeedColumn

from histospace_core.cli.terminal import progress_bar
from histospace_core.settings import get_settings

data = typer.Typer(
    help="Download a public cohort by name, or draw the sample section.", no_args_is_help=True
)
out = Console()


@data.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(help="her2st, stnet, 10x-visium:<id> or hest:<id>; separate ids by commas."),
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for the cohort.")],
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="URL of a mirror with the same folders as the source."),
    ] = None,
) -> None:
    """Download a public cohort and write its cohort.csv; run it again to resume."""
    from histospace_core.public_cohorts import fetch_cohort

    if name.partition(":")[0] == "her2st":  # the operator's mirror also serves the app's sample
        base_url = base_url or get_settings().her2st_url
    with progress_bar("asking the server", DownloadColumn(), TransferSpeedColumn()) as report:
        cohort = fetch_cohort(name, to, base_url, report)
    for found in cohort.checked:
        if not found.usable:
            line = f"{found.section.name} LEFT OUT: {found.message}"
            out.print(line, style="yellow", markup=False, soft_wrap=True)
        else:
            colour = "yellow" if found.corrected else None
            line = f"{found.section.name}: {found.n_spots} spots; {found.message}"
            out.print(line, style=colour, markup=False, soft_wrap=True)
    patients = {found.section.patient for found in cohort.used}
    out.print(
        f"{cohort.table} (sections: {len(cohort.used)}, patients: {len(patients)})",
        markup=False,
        soft_wrap=True,
    )


@data.command()
def sample(
    to: Annotated[Path, typer.Option("--out", help="Folder for the sample.")],
) -> None:
    """Draw a section with known expression; this needs no internet connection."""
    from histospace_core.sample import make_phantom

    made = make_phantom(to)
    for file in (made.image, made.counts, made.spots):
        out.print(f"{file}", markup=False, soft_wrap=True)


@data.command(name="list")
def list_sources() -> None:
    """List the public cohorts that can be downloaded."""
    from histospace_core.public_cohorts import SOURCES

    for source in SOURCES.values():
        out.print(f"[bold]{source.example}[/bold]")
        for line in (source.title, source.page, f"Licence {source.licence}."):
            out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
