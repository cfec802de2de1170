"""The model package: a folder with all of a model, and nothing that can execute.

`config.json`, `model.safetensors`, `genes.csv`, `README.md` (model card). Nothing is unpickled.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from histospace_core.errors import ModelError
from histospace_core.files import atomic_write, sha256
from histospace_core.networks.domain import Domain
from histospace_core.networks.histospace import HistoSPACE
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.slides.view import View

Network = HistoSPACE | HistoSPACEPlus
NETWORKS: dict[str, type[Network]] = {"histospace": HistoSPACE, "histospace-plus": HistoSPACEPlus}
GENE_COLUMNS = (
    "gene",
    "gene_id",
    "held_out_pearson",
    "ci_low",
    "ci_high",
    "mse_ratio_to_mean",
    "reliable",
)
OPTIONAL_GENE_COLUMNS = (
    "share_of_noise_ceiling",
    "share_of_noise_ceiling_low",
    "level_log10_cp10k",
    "level_sd",
    "spot_sd",
    "map_slope",
    "map_slope_sd",
    "confirmed_scale",
)
"""Further facts on a gene, if known: held-out r given the depth as a share of the upper and of the
lower end of the noise ceiling (older packages lack the second: their r and ceiling contain the
depth); the level to expect in a new patient with its standard deviation, and that of spots around
their prediction, all in log10 counts per 10,000; the slope of true on predicted deviations from the
slide's mean with its standard deviation, and the finest scale at which the map was confirmed."""
_DOMAIN = "domain."
REQUIRED = ("network", "arguments", "tile_px", "um_per_px", "expression_unit", "weights_sha256")


@dataclass(frozen=True)
class ModelPackage:
    """A model package on disk, checked, with its weights not yet loaded."""

    directory: Path
    config: Mapping[str, Any]
    genes: pd.DataFrame

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def tile_px(self) -> int:
        return int(self.config["tile_px"])

    @property
    def um_per_px(self) -> float:
        return float(self.config["um_per_px"])

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the network sees: the tile, then any wider views around its centre."""
        further = self.config.get("context", [])
        return (View(self.tile_px, self.um_per_px), *(View(**view) for view in further))

    @property
    def margin_um(self) -> float:
        """The margin that training reads around each view."""
        return NETWORKS[self.config["network"]].margin_um

    @property
    def dense(self) -> bool:
        """Whether tiles share patches: see `networks/dense.py`."""
        return self.config["network"] == "histospace-plus" and not self.config["arguments"].get(
            "trunk"
        )

    @property
    def stored_as(self) -> str:
        """The type that stores its expression without relevant loss: see `inference/store.py`."""
        logarithmic = str(self.config["expression_unit"]).startswith("log")
        return "float16" if logarithmic else "float32"

    @property
    def tile_um(self) -> float:
        return self.tile_px * self.um_per_px

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the weights' hash and the other files, as a run records it."""
        # `load` checks that the weights have this hash.
        digest = hashlib.sha256(str(self.config["weights_sha256"]).encode())
        for file in ("config.json", "genes.csv"):
            digest.update((self.directory / file).read_bytes())
        return digest.hexdigest()

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        file = self.directory / "README.md"
        return file.read_text("utf-8") if file.exists() else ""

    def load(self) -> tuple[Network, Domain | None]:
        """Return the network, with its weights checked and loaded, and its domain.

        Raises
        ------
        ModelError
            The weights are damaged, have changed since they were packed, or do not fit.
        """
        weights = self.directory / "model.safetensors"
        if sha256(weights) != self.config["weights_sha256"]:
            raise ModelError(
                f"The weights of model '{self.name}' are not the ones it was packed with "
                "(SHA-256 differs); install the package again."
            )
        network = NETWORKS[self.config["network"]](**self.config["arguments"])
        try:
            tensors = load_file(weights)
            domain = {
                k.removeprefix(_DOMAIN): tensors.pop(k)
                for k in list(tensors)
                if k.startswith(_DOMAIN)
            }
            network.load_state_dict(tensors)  # strict, so without the domain
        except (SafetensorError, RuntimeError) as error:
            raise ModelError(
                f"The weights of model '{self.name}' do not fit network "
                f"'{self.config['network']}'; install the package again."
            ) from error
        return network.eval(), Domain.from_tensors(domain)


def save_package(
    directory: Path,
    network: nn.Module,
    domain: Domain,
    config: Mapping[str, Any],
    genes: pd.DataFrame,
    card: str,
) -> ModelPackage:
    """Write a package into a new folder atomically.

    Parameters
    ----------
    genes
        One row per gene in the network's output order, with the columns `GENE_COLUMNS`.
    """
    if directory.exists():
        raise ModelError(f"'{directory.name}' exists already; choose another name or delete it.")
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    state |= {_DOMAIN + k: v for k, v in domain.to_tensors().items()}
    with atomic_write(directory) as part:
        part.mkdir()
        weights = part / "model.safetensors"
        save_file(state, weights)
        weights.chmod(0o644)  # safetensors writes files that only the owner can read
        full = {**config, "weights_sha256": sha256(weights)}
        (part / "config.json").write_text(json.dumps(full, indent=2) + "\n", "utf-8")
        genes.reindex(columns=[*GENE_COLUMNS, *OPTIONAL_GENE_COLUMNS]).to_csv(
            part / "genes.csv", index=False, quoting=csv.QUOTE_MINIMAL, float_format="%.5g"
        )
        (part / "README.md").write_text(card, "utf-8")
    return load_package(directory)


def load_package(name: str | Path, search: Iterable[Path] = ()) -> ModelPackage:
    """Open a package by folder, or by name in one of the `search` folders.

    Raises
    ------
    ModelError
        There is no such package, or one of its files is missing or unreadable.
    """
    directory = _locate(name, list(search))
    for file in ("config.json", "model.safetensors", "genes.csv"):
        if not (directory / file).is_file():
            raise ModelError(f"Model '{directory.name}' lacks {file}; install the package again.")
    try:
        config = json.loads((directory / "config.json").read_text("utf-8"))
        missing = [key for key in REQUIRED if key not in config]
        genes = pd.read_csv(
            directory / "genes.csv",
            dtype={"gene": str, "gene_id": str},
            keep_default_na=False,  # a gene may be called NA
            na_values={column: [""] for column in (*GENE_COLUMNS[2:6], *OPTIONAL_GENE_COLUMNS)},
        )
    except (ValueError, AttributeError, TypeError, pd.errors.ParserError) as error:
        raise ModelError(
            f"Model '{directory.name}' has an unreadable config.json or genes.csv; "
            "install the package again."
        ) from error
    missing += [column for column in GENE_COLUMNS if column not in genes]
    if missing:
        raise ModelError(
            f"Model '{directory.name}' does not state {', '.join(missing)}; install the package "
            "again."
        )
    if config["network"] not in NETWORKS:
        raise ModelError(
            f"Model '{directory.name}' uses network '{config['network']}', which this version "
            f"does not know (it knows {', '.join(NETWORKS)})."
        )
    if config["arguments"].get("n_genes") != len(genes):
        raise ModelError(
            f"Model '{directory.name}' lists {len(genes)} genes but predicts another number: "
            "install the package again."
        )
    columns = [*GENE_COLUMNS, *OPTIONAL_GENE_COLUMNS]
    return ModelPackage(directory, config, genes.reindex(columns=columns))


def list_packages(folders: Iterable[Path]) -> list[ModelPackage]:
    """Return all readable packages in these folders, sorted by name."""
    found = {}
    for folder in folders:
        for config in sorted(folder.glob("*/config.json")):
            try:
                found[config.parent.name] = load_package(config.parent)
            except ModelError:
                continue  # one damaged package must not hide the others
    return [found[name] for name in sorted(found)]


def _locate(name: str | Path, search: list[Path]) -> Path:
    candidates = [Path(name), *(folder / str(name) for folder in search)]
    for candidate in candidates:
        if (candidate / "config.json").is_file():
            return candidate.resolve()
    known = ", ".join(p.name for p in list_packages(search)) or "none"
    raise ModelError(f"There is no model '{name}'; the installed models are: {known}.")


def pick_device(device: str = "auto") -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda"; "auto" is never "mps"."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("No CUDA GPU is usable here; choose device auto or cpu.")
    if device == "mps":
        raise ModelError(
            "Device mps (the GPU of a Mac) is not supported, because its predictions were never "
            "compared with those of a CPU; choose auto or cpu."
        )
    if device not in {"cpu", "cuda"}:
        raise ModelError(f"Unknown device '{device}'; choose auto, cpu or cuda.")
    return torch.device(device)
