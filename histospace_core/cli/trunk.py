"""`histospace trunk`."""

from typing import Annotated

import typer

from histospace_core.cli.terminal import Licence, out


def trunk(
    name: Annotated[
        str,
        typer.Argument(
            help="A folder, hf-hub:<owner>/<name>, or a model of timm or torchvision.",
        ),
    ],
    trunk_licence: Licence = "",
) -> None:
    """Install a trunk that a model package needs; may download its weights."""
    from histospace_core.networks.trunks import install_trunk

    record = install_trunk(name, trunk_licence)
    out.print(
        f"{record.name}: {record.n_features:,} features of a view at {record.input_px} px, from "
        f"{record.source}, licence {record.licence}, SHA-256 {record.sha256}"
    )
