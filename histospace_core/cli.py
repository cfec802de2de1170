"""The command line: one verb a function, each a few lines over the core.

Exit codes: 0 done, 2 bad input (one line on stderr), 1 a fault of ours.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from histospace_core import __version__
from histospace_core.cli_data import data
from histospace_core.cli_leaderboard import leaderboard
from histospace_core.errors import HistospaceError
from histospace_core.settings import get_settings

if TYPE_CHECKING:
    from histospace_core.networks import ModelPackage
    from histospace_core.training import Recipe

app = typer.Typer(
    name="histospace",
    help="Spatial gene expression from an H&E slide, with how far to trust it. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data, name="data")
app.command("leaderboard")(leaderboard)
out = Console()
Out = Annotated[Path, typer.Option("--out", help="New folder for the result.")]
Cohort = Annotated[Path, typer.Argument(help="CSV: section,patient,image,counts,spots,mpp")]


RECIPE = "Named settings; the published network has mended and published (with its faults)."


class Device(StrEnum):
    """Where the arithmetic runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Stain(StrEnum):
    """Stain normalisation."""

    none = "none"
    vahadane = "vahadane"
    macenko = "macenko"
    reinhard = "reinhard"


class ExportKind(StrEnum):
    """Forms a run can be exported to."""

    csv = "csv"
    h5ad = "h5ad"
    geojson = "geojson"


@app.command()
def predict(
    slide: Annotated[Path, typer.Argument(help="Slide file.")],
    model: Annotated[str, typer.Option(help="Name or folder of a model package.")],
    to: Out,
    mpp: Annotated[
        float | None, typer.Option(help="Pixel size, um/px, if not in the file.")
    ] = None,
    stride_um: Annotated[float | None, typer.Option(help="Distance between tiles, um.")] = None,
    device: Device = Device.auto,
    stain: Stain = Stain.none,
    no_compile: Annotated[
        bool, typer.Option("--no-compile", help="Plain fp32 (this version always is).")
    ] = False,
) -> None:
    """Predict gene expression for every tissue tile of SLIDE."""
    from histospace_core.inference import predict_slide
    from histospace_core.slides.open import open_slide
    from histospace_core.slides.probe import probe_slide

    package = _package(model)
    probe_slide(slide, mpp)
    with open_slide(slide, mpp) as opened, _bar("tiles") as report:
        summary = predict_slide(
            opened,
            package,
            to,
            stain=stain.value,
            stride_um=stride_um,
            device=device.value,
            on_progress=lambda done, total: report(done, total, "predicting"),
        )
    tiles, record = summary.record["tiles"], summary.record
    out.print(
        f"{tiles['total']:,} tiles x {len(package.genes):,} genes in "
        f"{record['timings']['seconds']:.0f} s: {to}"
    )
    for line in [*record["notes"], record["domain"]["warning"]]:
        if line:
            out.print(f"[yellow]{line}[/yellow]")


@app.command()
def compare(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    measured: Annotated[Path, typer.Option(help="Counts: TSV, Space Ranger folder or zip, h5ad.")],
    to: Out,
    spots: Annotated[Path | None, typer.Option(help="Spot positions of a counts TSV.")] = None,
) -> None:
    """Compare a run with measured spatial transcriptomics of the same section."""
    from histospace_core.evaluation.compare import compare_run
    from histospace_core.expression import read_measured

    summary = compare_run(run_dir, read_measured(measured, spots), to).summary
    table = Table("", "prediction", "mean profile, no image")
    table.add_row("per-gene r", f"{summary['per_gene_pearson']:.3f}", "0")
    table.add_row("MSE ratio (below 1 is better)", f"{summary['mse_ratio_to_mean']:.3f}", "1")
    table.add_row(
        "per-spot r (misleading alone)",
        f"{summary['per_spot_pearson']:.3f}",
        f"{summary['mean_profile_per_spot_pearson']:.3f}",
    )
    out.print(table)
    out.print(f"{summary['n_spots']} spots, {summary['n_genes_scored']:,} genes: {to}")
    out.print(summary["alignment"]["message"])
    for warning in (summary["training_warning"], summary["domain_warning"]):
        if warning:
            out.print(f"[yellow]{warning}[/yellow]")


@app.command()
def train(
    cohort: Cohort,
    to: Out,
    network: Annotated[str, typer.Option(help="Network to train.")] = "histospace",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the predictor.")] = None,
    autoencoder_epochs: Annotated[int | None, typer.Option(min=0)] = None,
    recipe: Annotated[str | None, typer.Option(help=RECIPE)] = None,
    seed: int = 0,
    device: Device = Device.auto,
    data_note: Annotated[str, typer.Option(help="Source and licence of the data.")] = "",
) -> None:
    """Train a model package on a cohort, with held-out scores by cross-validation."""
    from histospace_core.training import train_from_cohort
    from histospace_core.training.card import DATA_NOTE

    settings = _recipe(network, recipe).with_(
        epochs=epochs, autoencoder_epochs=autoencoder_epochs, seed=seed
    )
    with _bar("training") as report:
        package = train_from_cohort(
            cohort,
            to,
            network=network,
            recipe=settings,
            device=device.value,
            data_note=data_note or DATA_NOTE,
            on_progress=report,
        )
    metrics = package.config["metrics"]
    out.print(
        f"{package.name}: {metrics['n_genes']:,} genes, {metrics['n_genes_reliable']:,} reliable; "
        f"held-out per-gene r {metrics['per_gene_pearson']}, MSE ratio to the mean profile "
        f"{metrics['mse_ratio_to_mean']} (by {metrics['held_out_by']}): {to}"
    )


@app.command()
def evaluate(
    cohort: Cohort,
    to: Out,
    network: Annotated[
        str, typer.Option(help="Any name that `histospace networks` lists.")
    ] = "histospace",
    folds: Annotated[str, typer.Option(help="patient or section")] = "patient",
    train_sections: Annotated[str, typer.Option("--train", help="Sections, by comma.")] = "",
    test_sections: Annotated[str, typer.Option("--test", help="Sections, by comma.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Number of random seeds, from 0.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the predictor.")] = None,
    autoencoder_epochs: Annotated[int | None, typer.Option(min=0)] = None,
    recipe: Annotated[str | None, typer.Option(help=RECIPE)] = None,
    device: Device = Device.auto,
) -> None:
    """Score a network on held-out patients or sections, beside the mean profile."""
    from histospace_core.training import evaluate_cohort

    settings = _recipe(network, recipe).with_(epochs=epochs, autoencoder_epochs=autoencoder_epochs)
    with _bar("evaluating") as report:
        summary = evaluate_cohort(
            cohort,
            to,
            network=network,
            recipe=settings,
            folds=folds,
            train=_names(train_sections),
            test=_names(test_sections),
            seeds=range(seeds),
            device=device.value,
            on_progress=report,
        )
    out.print(_fold_table(summary["folds"]))
    for leak in summary["protocol"]["leaks"]:
        out.print(f"[yellow]Not an honest score for a new patient: {leak}.[/yellow]")


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    to: Annotated[ExportKind, typer.Option("--to", help="Form.")],
    path: Annotated[Path, typer.Option("--out", help="New file.")],
    genes: Annotated[str, typer.Option(help="Genes by comma; all if empty.")] = "",
) -> None:
    """Export a run for other tools."""
    from histospace_core.exports import export_run

    export_run(run_dir, to.value, path, _names(genes))
    out.print(f"{path}")


@app.command()
def models() -> None:
    """List the models that are installed, with their held-out scores."""
    from histospace_core.networks import list_packages

    settings = get_settings()
    table = Table("model", "genes", "reliable", "held-out per-gene r", "MSE ratio to mean profile")
    for package in list_packages([settings.models, settings.trained_dir]):
        m = package.config.get("metrics", {})
        cells = (m.get(k) for k in ("n_genes_reliable", "per_gene_pearson", "mse_ratio_to_mean"))
        table.add_row(package.name, str(len(package.genes)), *map(str, cells))
    out.print(table)


@app.command()
def runs() -> None:
    """List the runs of the catalog."""
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
    """Serve the app on this machine."""
    from streamlit.web import cli as streamlit_cli

    from histospace_core.settings import PROJECT

    sys.argv = ["streamlit", "run", str(PROJECT / "app.py"), "--server.port", str(port)]
    streamlit_cli.main()


@app.command()
def worker(scheduler: Annotated[str, typer.Argument(help="Address, e.g. tcp://host:8786")]) -> None:
    """Work for a Dask scheduler elsewhere."""
    import subprocess

    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1"]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def doctor() -> None:
    """Check this installation: libraries, device, store, models."""
    from histospace_core.doctor import check_installation

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


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr, so that output can be piped; plain where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, message: bar.update(
            task, completed=done, total=total, description=message
        )


def _package(model: str) -> "ModelPackage":
    from histospace_core.networks import load_package

    settings = get_settings()
    return load_package(model, [settings.models, settings.trained_dir])


def _recipe(network: str, name: str | None) -> "Recipe":
    from histospace_core.training import method_named

    return method_named(network).recipe(name)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _fold_table(folds: list[dict[str, Any]]) -> Table:
    columns = {
        "test": ("test", "{}"),
        "seed": ("seed", "{}"),
        "spots": ("n_spots", "{}"),
        "genes": ("n_genes", "{}"),
        "r": ("per_gene_pearson", "{:.3f}"),
        "r HVG50": ("per_gene_pearson_hvg50", "{:.3f}"),
        "MSE ratio": ("mse_ratio_to_mean", "{:.3f}"),
        "spot r": ("per_spot_pearson", "{:.3f}"),
        "mean profile's": ("mean_profile_per_spot_pearson", "{:.3f}"),
        "ceiling": ("noise_ceiling", "{:.3f}"),
    }
    table = Table(*columns)
    for fold in folds:
        table.add_row(*(form.format(fold[key]) for key, form in columns.values()))
    return table


def main() -> None:
    """Run the command line; a user's error is one line on stderr and exit code 2."""
    try:
        app()
    except HistospaceError as error:
        Console(stderr=True).print(
            f"histospace: {error}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(2)
