"""`histospace predict-cohort`: predict the slides of a table."""

from pathlib import Path
from typing import Annotated

import typer

from histospace_core.cli.terminal import Device, NoCompile, Out, Stain, Stride, out, progress_bar

SOME_FAILED = 3
"""Exit code if some slides could not be predicted."""


def predict_cohort(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="COHORT.csv",
            help="CSV with the column image, and if needed section (a name), mpp and series.",
        ),
    ],
    model: Annotated[str, typer.Option(help="Name or folder of a model.")],
    to: Out,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, tls://host:8786, whose workers share this folder. "
            "Without it, workers are started on this machine."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on this machine.")
    ] = None,
    stride_um: Stride = None,
    device: Device = Device.auto,
    stain: Stain = Stain.none,
    no_compile: NoCompile = False,
) -> None:
    """Predict every slide of COHORT.csv into a folder of its own in --out.

    Started again, it goes on where it stopped. Exit code 3: some slides failed; summary.csv in the
    folder says which, and why.
    """
    from histospace_core.jobs.cluster import Cluster, own_workers
    from histospace_core.jobs.cohort_table import read_slides
    from histospace_core.jobs.cohort_tasks import CohortSettings
    from histospace_core.jobs.predict_cohort import SUMMARY, predict_cohort
    from histospace_core.networks import load_package
    from histospace_core.settings import get_settings

    settings = get_settings()
    slides = read_slides(table)
    package = load_package(model, [settings.models, settings.trained_dir])
    asked = CohortSettings(
        package.directory.absolute(), stain.value, stride_um, device.value, not no_compile
    )
    changed = {
        "scheduler": scheduler or settings.scheduler,
        "workers": workers or own_workers(len(slides)),
    }
    cluster = Cluster(settings.model_copy(update=changed), deaths=2)
    try:
        with progress_bar("slides") as report:
            outcomes = predict_cohort(slides, asked, to, cluster, report)
    finally:
        cluster.close()
    count = {
        state: sum(o.state == state for o in outcomes) for state in ("done", "skipped", "failed")
    }
    out.print(", ".join(f"{n:,} {state}" for state, n in count.items() if n) + f": {to / SUMMARY}")
    for outcome in outcomes:
        if outcome.state == "failed":
            out.print(
                f"{outcome.section}: {outcome.reason}", style="yellow", markup=False, soft_wrap=True
            )
    if count["failed"]:
        raise typer.Exit(SOME_FAILED)
