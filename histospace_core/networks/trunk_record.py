"""The facts on a trunk: what a model package records, and what the config of a folder states."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from histospace_core.errors import ModelError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
TORCHVISION = "torchvision/"
_SIDES = range(16, 1025)
_MOST_FEATURES = 100_000
_NOT_ARGUMENTS = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "features_only"}


@dataclass(frozen=True)
class TrunkRecord:
    """What defines the features of a trunk; a model package holds it instead of the weights.

    Attributes
    ----------
    name
        Name of its folder in the store.
    source
        Where it came from: `hf-hub:<owner>/<name>`, `torchvision/<name>`, or "a folder".
    licence
        Licence of its weights.
    sha256
        SHA-256 of its file of weights.
    n_features
        Features of a view.
    architecture, arguments
        A model of timm and its arguments, or `torchvision/<name>`.
    mean, std
        Of each channel in [0, 1], by which its training normalised pixels.
    input_px
        Side of its input, to which views are resized.
    pooling
        "own": as the architecture pools (the class token of most transformers, the mean of the last
        map of a convolutional network); "class+mean": class token, then mean of the patch tokens.
    """

    name: str
    source: str
    licence: str
    sha256: str
    n_features: int
    architecture: str
    arguments: Mapping[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_px: int
    pooling: Literal["own", "class+mean"] = "own"

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Return the record that a model package states.

        Raises
        ------
        ModelError
            It is incomplete, or states something impossible.
        """
        unreadable = ModelError(
            "The trunk of this model is not described completely; install the package again."
        )
        if not isinstance(stored, Mapping) or set(stored) != {f.name for f in fields(cls)}:
            raise unreadable
        texts = (stored["source"], stored["licence"], stored["sha256"])
        size, lists = stored["n_features"], (stored["mean"], stored["std"])
        if not (
            all(isinstance(text, str) for text in texts)
            and isinstance(size, int)
            and 0 < size <= _MOST_FEATURES
            and all(isinstance(values, list | tuple) for values in lists)
        ):
            raise unreadable
        record = cls(**{**stored, "mean": tuple(lists[0]), "std": tuple(lists[1])})
        record.check()
        return record

    def check(self) -> None:
        """Raise a ModelError if the name is not that of a folder or a setting is impossible."""
        require_name(self.name)
        fault = ""
        if not isinstance(self.architecture, str) or not isinstance(self.arguments, Mapping):
            fault = "architecture must be the name of a model and model_args an object"
        elif forbidden := _NOT_ARGUMENTS.intersection(self.arguments):
            fault = f"model_args cannot hold {min(forbidden)}"
        elif not (_three(self.mean) and _three(self.std) and min(self.std) > 0):
            fault = "mean and std must be three numbers each, std above 0"
        elif not isinstance(self.input_px, int) or self.input_px not in _SIDES:
            fault = f"input_size must be [3, side, side] with a side of {_SIDES[0]} to {_SIDES[-1]}"
        elif self.pooling not in ("own", "class+mean"):
            fault = 'pooling must be "own" or "class+mean"'
        if fault:
            raise ModelError(f"The trunk '{self.name}': {fault}; correct its {CONFIG}.")


def _three(values: Any) -> bool:
    return len(values) == 3 and all(isinstance(v, int | float) and math.isfinite(v) for v in values)


def require_name(name: object) -> str:
    """Return the name of a trunk's folder.

    Raises
    ------
    ModelError
        It could lead out of the folder of trunks, or is not text.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]{0,99}", name):
        raise ModelError(
            f"'{str(name)[:60]}' cannot name a trunk; use letters, digits, '.', '_', '+' and '-'."
        )
    return name


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Return the fields of a `TrunkRecord` that the config in the folder of a trunk states.

    The config has the layout of timm's repositories: `architecture`, `model_args`, and
    `pretrained_cfg` with `mean`, `std`, `input_size` and `license`; `pooling` and `source` are
    additions. `licence` is "" if the config states none.

    Raises
    ------
    ModelError
        The folder has no readable config, or the config lacks a field.
    """
    file = folder / CONFIG
    try:
        stated = json.loads(file.read_text("utf-8"))
        facts = stated.get("pretrained_cfg", stated)
        found = {
            "architecture": stated["architecture"],
            "arguments": stated.get("model_args") or {},
            "mean": tuple(facts["mean"]),
            "std": tuple(facts["std"]),
            "input_px": facts["input_size"][-1],
            "licence": str(facts.get("license") or facts.get("licence") or "").strip(),
            "pooling": stated.get("pooling", "own"),
            "source": str(stated.get("source", "a folder")),
        }
    except FileNotFoundError as error:
        raise ModelError(
            f"The trunk '{name}' has no {CONFIG}; write one with the architecture's name in "
            "timm, mean, std, input_size and license."
        ) from error
    except KeyError as error:
        raise ModelError(
            f"The {CONFIG} of the trunk '{name}' does not state {error}; add it."
        ) from error
    except (OSError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise ModelError(
            f"The {CONFIG} of the trunk '{name}' cannot be read; write it as JSON with "
            "architecture, mean, std, input_size and license."
        ) from error
    return found
