"""Where trunks come from: a folder, the Hugging Face hub, timm or torchvision.

Each function writes the weights into a new folder and returns the config that describes them.
Weights in safetensors are the publisher's own file, so that their SHA-256 can be compared with the
one that the publisher states. Pickles of the hub and of torchvision are read without executing
anything and written as safetensors; a user's own pickle is refused.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import save_file
from torch import Tensor

from histospace_core.errors import ModelError
from histospace_core.networks.encoders import (
    OFFLINE_ENCODER,
    torchvision_encoder,
    torchvision_weights,
)
from histospace_core.networks.published_encoders import HUB, published
from histospace_core.networks.trunk_record import CONFIG, TORCHVISION, WEIGHTS, read_config

Fetch = Callable[[Path], dict[str, Any]]
"""Write the weights into this folder and return the config."""

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
_PUBLISHED_PICKLE = "pytorch_model.bin"


def of_folder(folder: Path) -> Fetch:
    """Link or copy the weights of a folder, which holds one file in safetensors and a config."""

    def fetch(target: Path) -> dict[str, Any]:
        read_config(folder, folder.name)  # complains of a missing or damaged config
        files = [p for p in sorted(folder.iterdir()) if p.is_file()]
        weights = [p for p in files if p.suffix == ".safetensors" and not p.name.startswith(".")]
        if len(weights) > 1:
            raise ModelError(
                f"The folder '{folder.name}' holds {len(weights)} files of weights "
                f"({', '.join(p.name for p in weights[:4])}); leave the one of the trunk there."
            )
        if not weights:
            pickle = next((p.name for p in files if p.suffix in _PICKLES), None)
            raise ModelError(
                f"The weights '{pickle}' are a pickle, which can execute code when it is opened; "
                "give them in the format of safetensors."
                if pickle
                else f"The folder '{folder.name}' holds no weights; put {WEIGHTS} there."
            )
        _link(weights[0], target / WEIGHTS)
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text("utf-8"))
        return config

    return fetch


def of_hub(repository: str) -> Fetch:
    """Fetch a repository of the hub in timm's layout; what its model card adds is known here."""

    def fetch(target: Path) -> dict[str, Any]:
        file = _cached(repository, CONFIG) or _download(repository, CONFIG)
        if file is None or b'"architecture"' not in file.read_bytes():
            raise ModelError(
                f"'{repository}' is not in the layout of timm, the only one that is read; convert "
                f"it into a folder with {CONFIG} and {WEIGHTS}, or choose another encoder."
            )
        read_config(file.parent, repository)
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
        card = published(repository)
        if card is not None:
            config["model_args"] = {**(config.get("model_args") or {}), **card.arguments}
            config["pooling"] = card.pooling
            stated = config.setdefault("pretrained_cfg", {})
            stated.update({"license": card.licence, **card.config})
        _weights_of_hub(repository, target)
        return {**config, "source": HUB + repository}

    return fetch


def of_timm(name: str) -> tuple[str, Fetch]:
    """Return the full name of a model of timm, with its tag, and how to fetch it."""
    from timm.models import get_pretrained_cfg

    known: Any = get_pretrained_cfg(name)
    repository = known and known.hf_hub_id
    if not repository:
        raise ModelError(
            f"timm publishes no weights of '{name}'; give a folder with weights of your own."
        )

    def fetch(target: Path) -> dict[str, Any]:
        _weights_of_hub(repository, target)
        return {
            "architecture": known.architecture,
            "source": HUB + repository,
            "pretrained_cfg": {
                "mean": known.mean,
                "std": known.std,
                "input_size": known.input_size,
                "license": known.license or "",
            },
        }

    return f"{known.architecture}.{known.tag}" if known.tag else known.architecture, fetch


def of_torchvision(name: str) -> Fetch:
    """Fetch the published weights of a model of torchvision, which states no licence for them."""
    weights = torchvision_weights(name)

    def fetch(target: Path) -> dict[str, Any]:
        try:
            encoder = torchvision_encoder(name, weights)
        except (URLError, OSError) as error:
            raise _unreachable(TORCHVISION + name) from error
        _save(encoder.state_dict(), target / WEIGHTS)
        shown = weights.transforms()
        return {
            "architecture": TORCHVISION + name,
            "source": TORCHVISION + name,
            "pretrained_cfg": {
                "mean": shown.mean,
                "std": shown.std,
                "input_size": [3, shown.crop_size[0], shown.crop_size[0]],
            },
        }

    return fetch


def _weights_of_hub(repository: str, target: Path) -> None:
    # what is on this machine first, so that a cached repository needs no network
    file = (
        _cached(repository, WEIGHTS)
        or _cached(repository, _PUBLISHED_PICKLE)
        or _download(repository, WEIGHTS)
        or _download(repository, _PUBLISHED_PICKLE)
    )
    if file is None:
        raise ModelError(
            f"'{repository}' has neither {WEIGHTS} nor {_PUBLISHED_PICKLE}; choose another encoder."
        )
    if file.name == WEIGHTS:
        _link(file, target / WEIGHTS)
        return
    try:
        # the publisher's file; weights_only executes nothing
        state = torch.load(file, weights_only=True, map_location="cpu")  # noqa: TID251
        _save(state, target / WEIGHTS)
    except OSError:
        raise  # the disk is full
    except Exception as error:  # whatever a damaged pickle raises
        raise ModelError(
            f"The weights of '{repository}' hold more than tensors, or are damaged; get them in "
            "the format of safetensors."
        ) from error


def _save(state: dict[str, Tensor], file: Path) -> None:
    # safetensors refuses tensors that share memory
    save_file({k: v.contiguous().clone() for k, v in state.items()}, file)
    file.chmod(0o644)  # safetensors writes files that only the owner can read


def _cached(repository: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repository, name)
    return Path(cached) if isinstance(cached, str) else None  # else None or a marker


def _download(repository: str, name: str) -> Path | None:
    """Return a file of the hub, downloaded; None if there is no such file."""
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # without a line for each of its five attempts
    try:
        return Path(hf_hub_download(repository, name))
    except errors.GatedRepoError as error:
        raise ModelError(
            f"The publisher of '{repository}' gives access on request; ask for it on the hub, and "
            "set HF_TOKEN to a token of that account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"The hub has no repository '{repository}' that you can read; check its name, and set "
            "HF_TOKEN if it is private."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise _unreachable(repository) from error
    except errors.EntryNotFoundError:
        return None
    except errors.HFValidationError as error:
        raise ModelError(
            f"'{repository[:60]}' is not a repository of the hub; write {HUB}<owner>/<name>."
        ) from error
    except (errors.HfHubHTTPError, ConnectionError, TimeoutError) as error:
        raise _unreachable(repository) from error


def _unreachable(name: str) -> ModelError:
    return ModelError(
        f"The weights of '{name}' are not on this machine and cannot be downloaded; connect it to "
        f"the internet, or choose {OFFLINE_ENCODER} or a folder with weights."
    )


def _link(source: Path, target: Path) -> None:
    """Link a file, which takes no space, or copy it if it is on another disk."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
