"""`histospace inspect`: say what a file is."""

import json
from pathlib import Path
from typing import Annotated

import typer

from histospace_core.cli.terminal import BinSize, Library, Sample, Series, Spots, out


def inspect(
    path: Annotated[Path, typer.Argument(help="A slide, measured expression or any other file.")],
    spots: Spots = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    series: Series = None,
    sample: Sample = None,
    bin_size: BinSize = None,
    library: Library = None,
) -> None:
    """Say what PATH is and holds, and whether it can be used; nothing that identifies a patient.

    The exit code is 2 where the readers refuse it as it is.
    """
    from histospace_core.expression.choice import Choice
    from histospace_core.inspection.inspect import inspect_path

    found = inspect_path(path, spots, series=series, choice=Choice(sample, bin_size, library))
    text = json.dumps(found.to_json(), indent=2) if as_json else found.text()
    # as it stands: neither wrapped at the window's width nor read as markup
    out.print(text, markup=False, highlight=False, soft_wrap=True)
    if not found.usable:
        raise typer.Exit(2)
