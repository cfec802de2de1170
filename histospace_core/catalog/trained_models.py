"""Check the name of a newly trained model, and install its package."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histospace_core.catalog import ACTIVE, Catalog, Kind
from histospace_core.errors import JobError, ModelError
from histospace_core.files import atomic_write
from histospace_core.settings import Settings

if TYPE_CHECKING:  # the app's process must not load torch to name a model
    from histospace_core.networks import ModelPackage

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")


def check_model_name(
    name: str, settings: Settings, catalog: Catalog, work: dict[str, Any] | None = None
) -> None:
    """Refuse a name that a new model cannot have.

    Parameters
    ----------
    work
        Settings of the training that asks. A training with the same settings is this one, submitted
        twice by a double click, and may have the name.

    Raises
    ------
    JobError
        The name is not a valid folder name, or another model or an active training has it.
    """
    if not _NAME.fullmatch(name):
        raise JobError(
            "A model's name has 1 to 48 letters (a-z), digits, hyphens or underscores, and starts "
            "with a letter or digit: choose another name."
        )
    under_way = catalog.runs(kinds=[Kind.TRAIN, Kind.ADAPT], states=ACTIVE)
    # A training under way takes its name only when it is done.
    promised = {run.settings.get("name") for run in under_way if run.settings != work}
    known = {model.name for model in catalog.models()} | promised
    folders = (settings.models, settings.trained_dir)
    # A package put into a folder by hand is registered only at the next start.
    if name in known or any((folder / name).exists() for folder in folders):
        raise JobError(f"There is a model named {name} already; choose another name.")


def install(package: "ModelPackage", folder: Path) -> "ModelPackage":
    """Copy a package into a folder of models atomically, unless it is already there.

    Raises
    ------
    ModelError
        Another model in the folder has this name.
    """
    from histospace_core.networks import load_package

    target = folder / package.name
    if not target.exists():  # it does if an earlier attempt was stopped after this step
        with atomic_write(target) as part:
            shutil.copytree(package.directory, part)
    installed = load_package(target)
    if installed.sha256 != package.sha256:
        raise ModelError(
            f"Another model is now named {package.name}: train again with another name."
        )
    return installed
