"""The commands of `histospace`; each is one short function that calls the core.

Exit codes: 0 success, 2 invalid input (one line on stderr), 3 some slides of a cohort failed, 1 an
error in the program.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from histospace_core import __version__
from histospace_core.cli.adapt import adapt
from histospace_core.cli.characterise import characterise
from histospace_core.cli.compare import compare
from histospace_core.cli.data import data
from histospace_core.cli.encoding import print_plainly
from histospace_core.cli.export import export
from histospace_core.cli.inspect import inspect
from histospace_core.cli.leaderboard import leaderboard
from histospace_core.cli.predict_cohort import predict_cohort
from histospace_core.cli.terminal import (
    Device,
    NoCompile,
    Out,
    Series,
    Stain,
    Stride,
    out,
    progress_bar,
)
from histospace_core.cli.training import evaluate, train
from histospace_core.cli.trunk import trunk
from histospace_core.errors import HistospaceError
from histospace_core.settings import get_settings

if TYPE_CHECKING:
    from histospace_core.networks import ModelPackage

app = typer.Typer(
    name="histospace",
    help="Predict spatial gene expression from an H&E slide, with the accuracy of each gene. "
    "Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.command("predict-cohort")(predict_cohort)
app.command()(compare)
app.command()(train)
app.command()(evaluate)
app.command()(adapt)
app.command()(trunk)
app.command()(leaderboard)
app.command()(export)
app.command()(inspect)
app.command()(characterise)


@app.command()
def predict(
    slide: Annotated[Path, typer.Argument(help="Slide file.")],
    model: Annotated[str, typer.Option(help="Name or folder of a model.")],
    to: Out,
    mpp: Annotated[
        float | None, typer.Option(help="Pixel size in um/px, if the file does not state it.")
    ] = None,
    stride_um: Stride = None,
    device: Device = Device.auto,
    stain: Stain = Stain.none,
    series: Series = None,
    icc: Annotated[
        bool, typer.Option(help="Convert colours to sRGB by the profile that the file embeds.")
    ] = True,
    no_compile: NoCompile = False,
) -> None:
    """Predict gene expression for every tissue tile of SLIDE."""
    # Imported here, so that --help does not wait for torch.
    from histospace_core.inference import predict_slide
    from histospace_core.slides.open import open_slide
    from histospace_core.slides.probe import probe_slide

    package = _package(model)
    probe_slide(slide, mpp, series=series, icc=icc)
    with (
        open_slide(slide, mpp, series=series, icc=icc) as opened,
        progress_bar("tiles", estimates=True) as report,
    ):
        summary = predict_slide(
            opened,
            package,
            to,
            stain=stain.value,
            stride_um=stride_um,
            device=device.value,
            fast=not no_compile,
            on_progress=report,
        )
    tiles, record = summary.record.tiles, summary.record
    size = f"{tiles.total:,} tiles x {len(package.genes):,} genes"
    if summary.was_finished:
        out.print(f"already finished on {record.created}, nothing to do: {size} in {to}")
    else:
        out.print(f"{size} in {record.timings.seconds:.0f} s: {to}")
    left_out = [f"{n:,} {reason}" for reason, n in tiles.by_reason.items() if reason != "ok"]
    if left_out:
        out.print(f"left out: {', '.join(left_out)}")
    for line in [*record.notes, record.domain.warning]:
        if line:
            out.print(f"[yellow]{line}[/yellow]")


@app.command()
def models() -> None:
    """List the installed models with their held-out scores."""
    from histospace_core.networks import list_packages

    settings = get_settings()
    table = Table(
        "model", "genes", "reliable", "held-out per-gene r", "error ratio to mean profile"
    )
    for package in list_packages([settings.models, settings.trained_dir]):
        m = package.config.get("metrics", {})
        cells = (m.get(k) for k in ("n_genes_reliable", "per_gene_pearson", "mse_ratio_to_mean"))
        table.add_row(package.name, str(len(package.genes)), *map(str, cells))
    out.print(table)


@app.command()
def runs() -> None:
    """List the runs in the catalog."""
    from histospace_core.catalog import Catalog

    catalog = Catalog(get_settings().catalog_url)
    catalog.migrate()
    table = Table("run", "kind", "state", "model", "created")
    for run in catalog.runs():
        table.add_row(
            run.id, run.kind, run.state, run.model_name, f"{run.created_at:%Y-%m-%d %H:%M}"
        )
    out.print(table)


@app.command()
def serve(port: Annotated[int, typer.Option(min=1, max=65535)] = 8501) -> None:
    """Serve the app on this machine, at localhost."""
    from streamlit.web import cli as streamlit_cli

    from histospace_core.shipped import SHIPPED

    # Streamlit's command reads its arguments from here.
    sys.argv = ["streamlit", "run", str(SHIPPED / "app.py"), "--server.port", str(port)]
    streamlit_cli.main()


@app.command()
def worker(
    scheduler: Annotated[
        str, typer.Argument(help="Address, tls://host:8786; tcp:// only on this machine.")
    ],
) -> None:
    """Run a worker for a Dask scheduler, with the certificates named in the settings."""
    import os

    from histospace_core.jobs.cluster import worker_command

    command, environment = worker_command(scheduler, get_settings())
    # replace this process, so that a signal to it reaches the worker
    os.execve(command[0], command, environment)  # noqa: S606


@app.command()
def doctor() -> None:
    """Check that this installation works: libraries, device, store and models."""
    from histospace_core.cli.doctor import check_installation

    checks = check_installation(get_settings())
    table = Table("check", "", "finding")
    for check in checks:
        table.add_row(check.name, "ok" if check.ok else "[red]no[/red]", check.finding)
    out.print(table)
    raise typer.Exit(0 if all(c.ok for c in checks) else 2)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Spatial gene expression from an H&E slide. Research use only, not for diagnosis."""
    if show:
        out.print(__version__)
        raise typer.Exit


def _package(model: str) -> "ModelPackage":
    from histospace_core.networks import load_package

    settings = get_settings()
    return load_package(model, [settings.models, settings.trained_dir])


def main() -> None:
    """Run the command line; print a user's error as one line on stderr and exit with code 2."""
    print_plainly()
    try:
        app()
    except HistospaceError as error:
        # Rich would take brackets in a path for markup.
        Console(stderr=True).print(
            f"histospace: {error}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(2)
