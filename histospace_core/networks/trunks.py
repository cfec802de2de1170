"""The trunks of an installation: folders `STORE/trunks/NAME` with weights and config.

A trunk is installed once, by a command that names it; only that may download. Afterwards training
and prediction read the store alone. A model package states the SHA-256 of its trunk's weights, so
the same trunk is recognised in another installation, wherever it was fetched from.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from histospace_core.errors import ModelError
from histospace_core.files import atomic_write, content_sha256, disk_errors
from histospace_core.networks.foreign_trunk import ForeignTrunk
from histospace_core.networks.published_encoders import HUB
from histospace_core.networks.trunk_record import (
    CONFIG,
    TORCHVISION,
    WEIGHTS,
    TrunkRecord,
    read_config,
    require_name,
)
from histospace_core.networks.trunk_sources import (
    Fetch,
    of_folder,
    of_hub,
    of_timm,
    of_torchvision,
)


def install_trunk(name: str, licence: str = "") -> TrunkRecord:
    """Bring a trunk into the store, unless it is there, and return its record.

    Parameters
    ----------
    name
        A trunk of the store, a folder with weights and a config, `hf-hub:<owner>/<name>`, or a
        model of timm or torchvision (`torchvision/<name>` if timm has one of that name). Weights
        that are not on this machine are downloaded.
    licence
        Licence of the weights, if their config states none.

    Raises
    ------
    ModelError
        There is no such trunk, it cannot be downloaded, its weights do not fit or are a pickle, or
        its licence is unknown.
    StoreError
        The store has no space for it.
    """
    import timm

    folder, trunks = Path(name), _trunks_dir()
    if folder.name == name and (trunks / name).is_dir():
        return _known(name, licence)
    if folder.is_dir():
        return _install_folder(folder.resolve(), licence)
    if folder.is_absolute() or name.startswith("."):
        raise ModelError(f"There is no folder '{name}'; give the folder of a trunk.")
    if name.startswith(HUB):
        repository = name.removeprefix(HUB)
        return _install(repository.replace("/", "--"), of_hub(repository), licence)
    if timm.is_model(name):
        full, fetch = of_timm(name)
        return _install(full, fetch, licence)
    other = name.removeprefix(TORCHVISION)
    try:
        fetch = of_torchvision(other)
    except ModelError as error:
        raise ModelError(
            f"There is no trunk '{name[:100]}'; give a folder, {HUB}<owner>/<name>, or a model of "
            "timm or torchvision."
        ) from error
    return _install(f"torchvision--{other}", fetch, licence)


def open_trunk(record: TrunkRecord) -> ForeignTrunk:
    """Return the trunk that a model package needs, from the store.

    Raises
    ------
    ModelError
        It is not in the store, or its weights are not those that the package was trained with.
    """
    weights = _trunks_dir() / record.name / WEIGHTS
    origin = record.source if ":" in record.source or "/" in record.source else "FOLDER"
    named = f"trunk '{record.name}' (from {record.source}, SHA-256 {record.sha256[:12]}...)"
    if not weights.is_file():
        raise ModelError(
            f"The model needs the {named}, which is not in the store; install it with: histospace "
            f"trunk {origin}."
        )
    if content_sha256(weights) != record.sha256:
        raise ModelError(
            f"The model needs the {named}, but the weights of this name in the store are others; "
            "rename their folder and install the right ones."
        )
    return ForeignTrunk(record, weights)


def _known(name: str, licence: str) -> TrunkRecord:
    folder = _trunks_dir() / require_name(name)
    _licensed(name, read_config(folder, name)["licence"], licence)
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"The trunk '{name}' in the store has lost its {WEIGHTS}; delete its folder and "
            "install it again."
        )
    return _record(folder, name)


def _install_folder(folder: Path, licence: str) -> TrunkRecord:
    target = _trunks_dir() / require_name(folder.name)
    if not target.is_dir() or target.resolve() == folder:
        return _install(folder.name, of_folder(folder), licence)
    known = _known(folder.name, licence)
    mine = read_config(folder, folder.name)
    weights = next(iter(folder.glob("*.safetensors")), None)
    same = weights is not None and content_sha256(weights) == known.sha256
    theirs = read_config(target, folder.name)
    if not same or any(mine[k] != theirs[k] for k in mine if k not in ("licence", "source")):
        raise ModelError(
            f"The store has another trunk '{folder.name}'; rename the folder, or delete the one in "
            "the store if no model needs it."
        )
    return known


def _install(name: str, fetch: Fetch, licence: str) -> TrunkRecord:
    target = _trunks_dir() / require_name(name)
    if target.is_dir():
        return _known(name, licence)
    with disk_errors(target, "the trunk"), atomic_write(target) as part:
        part.mkdir()
        config = fetch(part)
        facts: dict[str, Any] = config.get("pretrained_cfg", config)
        stated = str(facts.get("license") or facts.get("licence") or "").strip()
        facts["license"] = _licensed(name, stated, licence)
        (part / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        return _record(part, name)  # refused before it is in the store


def _licensed(name: str, stated: str, given: str) -> str:
    """Return the licence of a trunk, which must be known."""
    given = " ".join(given.split())
    if stated and given and stated.casefold() != given.casefold():
        raise ModelError(
            f"The trunk '{name}' states the licence {stated}, not {given}; leave out the option "
            "--trunk-licence."
        )
    if not (stated or given):
        raise ModelError(
            f"The trunk '{name}' states no licence for its weights; find out under which licence "
            'they may be used, and name it with --trunk-licence "NAME OF THE LICENCE".'
        )
    return stated or given


def _record(folder: Path, name: str) -> TrunkRecord:
    """Return the record of a folder; its encoder is built once to see that it gives features."""
    weights = folder / WEIGHTS
    record = TrunkRecord(
        name=name, sha256=content_sha256(weights), n_features=1, **read_config(folder, name)
    )
    record.check()
    try:
        with torch.inference_mode():
            features = ForeignTrunk(record, weights)(torch.full((1, 3, 64, 64), 0.5))
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
        raise ModelError(
            f"The trunk '{name}' fails on an image of {record.input_px} px ({reason}); correct "
            f"input_size or model_args in its {CONFIG}."
        ) from error
    if features.ndim != 2 or not bool(torch.isfinite(features).all()):
        raise ModelError(
            f"The trunk '{name}' gives no finite features of a tile; check that the weights belong "
            f"to the architecture '{record.architecture}'."
        )
    return replace(record, n_features=features.shape[1])


def _trunks_dir() -> Path:
    from histospace_core.settings import get_settings  # here, for benchmarks without pydantic

    return get_settings().trunks_dir
