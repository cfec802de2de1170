"""`histospace leaderboard`: evaluate every network on the same folds."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from histospace_core.cli.terminal import (
    Cohort,
    Folds,
    Seeds,
    TestSections,
    TrainSections,
    names,
    out,
    progress_bar,
)


def leaderboard(
    cohort: Cohort,
    to: Annotated[Path, typer.Option("--out", help="Folder for the tables and evaluations.")],
    networks: Annotated[
        str,
        typer.Option(
            help="Names, separated by commas; NAME@RECIPE for another recipe. By default all."
        ),
    ] = "",
    folds: Folds = "patient",
    train_sections: TrainSections = "",
    test_sections: TestSections = "",
    seeds: Seeds = 1,
    append: Annotated[
        bool, typer.Option("--append", help="Keep the rows of other networks in the folder.")
    ] = False,
    ours: Annotated[str | None, typer.Option(help="Network to compare the others with.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Evaluate every network on the same folds: accuracy, size, speed, significance."""
    from histospace_core.training.leaderboard import make_leaderboard
    from histospace_core.training.registry import METHODS

    with progress_bar("leaderboard") as report:
        rows = make_leaderboard(
            cohort,
            to,
            networks=names(networks) or list(METHODS),
            folds=folds,
            train=names(train_sections),
            test=names(test_sections),
            seeds=seeds,
            append=append,
            ours=ours,
            device=device,
            on_progress=report,
        )
    table = Table("network", "split", "r", "r HVG50", "error ratio", "parameters", "tiles/s")
    for row in rows.to_dict("records"):
        table.add_row(
            f"{row['network']}@{row['recipe']}",
            row["split"],
            f"{row['per_gene_pearson']:.3f}",
            f"{row['per_gene_pearson_hvg50']:.3f}",
            f"{row['mse_ratio_to_mean']:.3f}",
            f"{row['n_parameters']:,}",
            f"{row['tiles_per_second_cpu']:,.0f}",
        )
    out.print(table)
    out.print(f"{to / 'leaderboard.md'}")
