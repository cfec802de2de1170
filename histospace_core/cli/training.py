"""`histospace train` and `histospace evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from histospace_core.cli.terminal import (
    Cohort,
    Device,
    Folds,
    Licence,
    Out,
    Seeds,
    TestSections,
    TrainSections,
    Trunk,
    names,
    out,
    progress_bar,
)

if TYPE_CHECKING:
    from histospace_core.training import Recipe

Levels = Annotated[
    Path | None,
    typer.Option(
        "--levels",
        help="CSV of sections without an image: section,patient,counts. They show how far patients "
        "differ, for the intervals.",
    ),
]
RECIPE = "Named settings; the network histospace has mended (the default) and published."
NETWORKS = (
    "histospace-plus, histospace, mean-profile, colour, encoder:<name>, stnet, histogene, bleep or "
    "triplex."
)


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
    trunk: Trunk = None,
    trunk_licence: Licence = "",
    levels: Levels = None,
) -> None:
    """Train a model package on a cohort, with held-out scores by cross-validation."""
    from histospace_core.training import train_from_cohort
    from histospace_core.training.card import DATA_NOTE

    settings = _recipe(network, recipe, trunk, trunk_licence).with_(
        epochs=epochs, autoencoder_epochs=autoencoder_epochs, seed=seed
    )
    with progress_bar("training") as report:
        package = train_from_cohort(
            cohort,
            to,
            network=network,
            recipe=settings,
            device=device.value,
            data_note=data_note or DATA_NOTE,
            levels=levels,
            on_progress=report,
        )
    metrics = package.config["metrics"]
    out.print(
        f"{package.name}: {metrics['n_genes']:,} genes, {metrics['n_genes_reliable']:,} reliable; "
        f"held-out per-gene r {metrics['per_gene_pearson']}, error ratio to the mean profile "
        f"{metrics['mse_ratio_to_mean']} (by {metrics['held_out_by']}): {to}"
    )


def evaluate(
    cohort: Cohort,
    to: Out,
    network: Annotated[str, typer.Option(help=NETWORKS)] = "histospace",
    folds: Folds = "patient",
    train_sections: TrainSections = "",
    test_sections: TestSections = "",
    seeds: Seeds = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the predictor.")] = None,
    autoencoder_epochs: Annotated[int | None, typer.Option(min=0)] = None,
    recipe: Annotated[str | None, typer.Option(help=RECIPE)] = None,
    device: Device = Device.auto,
    trunk: Trunk = None,
    trunk_licence: Licence = "",
    levels: Levels = None,
) -> None:
    """Score a network on held-out patients or sections, beside the mean profile."""
    from histospace_core.training import evaluate_cohort

    settings = _recipe(network, recipe, trunk, trunk_licence).with_(
        epochs=epochs, autoencoder_epochs=autoencoder_epochs
    )
    with progress_bar("evaluating") as report:
        summary = evaluate_cohort(
            cohort,
            to,
            network=network,
            recipe=settings,
            folds=folds,
            train=names(train_sections),
            test=names(test_sections),
            seeds=range(seeds),
            device=device.value,
            levels=levels,
            on_progress=report,
        )
    out.print(_fold_table(summary["folds"]))
    for line in _interval_lines(summary["interval"]):
        out.print(line)
    for leak in summary["protocol"]["leaks"]:
        out.print(f"[yellow]These scores are too optimistic for a new patient: {leak}.[/yellow]")


def _interval_lines(interval: dict[str, Any]) -> list[str]:
    """Return what the intervals promise and what they reached."""
    lines = [f"{interval['level']:.0%} intervals: {interval['promise']}"]
    if reached := interval.get("measured_coverage"):
        shares = ", ".join(f"{name} {share:.0%}" for name, share in reached.items())
        lines.append(f"Measured coverage: {shares}; mean width {interval['width']:.2f}.")
    return lines


def _recipe(network: str, name: str | None, trunk: str | None, licence: str) -> "Recipe":
    from histospace_core.training import method_named, with_trunk

    recipe = method_named(network).recipe(name)
    return recipe if trunk is None else with_trunk(recipe, trunk, licence)


def _fold_table(folds: list[dict[str, Any]]) -> Table:
    from histospace_core.evaluation.noise import range_text  # loads scipy

    columns = {
        "test": ("test", "{}"),
        "seed": ("seed", "{}"),
        "genes": ("n_genes", "{}"),
        "r": ("per_gene_pearson", "{:.3f}"),
        "r HVG50": ("per_gene_pearson_hvg50", "{:.3f}"),
        "error ratio": ("mse_ratio_to_mean", "{:.3f}"),
        "spot r": ("per_spot_pearson", "{:.3f}"),
        "its baseline": ("mean_profile_per_spot_pearson", "{:.3f}"),
    }
    if len({fold["seed"] for fold in folds}) == 1:
        del columns["seed"]
    # without borders, and with little padding, it fits into 80 characters
    table = Table(*columns, "r given depth", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("its ceiling", no_wrap=True)
    for fold in folds:
        table.add_row(
            *(form.format(fold[key]) for key, form in columns.values()),
            range_text(fold.get("per_gene_pearson_given_depth")),
            range_text(fold["noise_ceiling"], fold.get("noise_ceiling_low")),
        )
    return table
