"""Training state on disk, so that a stopped training continues where it stopped.

The order of batches depends on (seed, epoch) alone, so a resumed training ends with the same
weights as an uninterrupted one.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from histospace_core.files import atomic_write
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import Recipe

_STATE = "optimiser."
_NETWORK = "network."


class Checkpoint:
    """One stage's checkpoint file; `path` None keeps nothing.

    Parameters
    ----------
    key
        Identifies data and recipe; a file with another key is ignored.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path = path
        self.key = key

    def save(self, network: nn.Module, optimiser: torch.optim.Optimizer, epoch: int) -> None:
        """Replace the file by the state after `epoch` finished epochs."""
        if self.path is None or not processes().first:
            return
        tensors = {_NETWORK + k: v for k, v in network.state_dict().items()}
        for i, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{_STATE}{i}.{k}": v for k, v in state.items()}
        metadata = {"key": self.key, "epoch": str(epoch)}
        on_cpu = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        with atomic_write(self.path) as part:
            save_file(on_cpu, part, metadata)

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Load the state if there is one of this key; return the finished epochs, else 0."""
        epoch, tensors = processes().from_first(self._read)
        if not tensors:
            return 0
        network.load_state_dict(
            {k.removeprefix(_NETWORK): v for k, v in tensors.items() if k.startswith(_NETWORK)}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(_STATE):
                i, key = name.removeprefix(_STATE).split(".")
                state.setdefault(int(i), {})[key] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return epoch

    def _read(self) -> tuple[int, dict[str, Tensor]]:
        """Return the finished epochs and the state; nothing of no, another or a damaged file."""
        if self.path is None or not self.path.exists():
            return 0, {}
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("key") != self.key:
                    return 0, {}
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return 0, {}  # a file cut off in mid-write: begin again
        return int(metadata["epoch"]), tensors

    def clear(self) -> None:
        """Remove the file once the stage's result is safe elsewhere."""
        if self.path is not None and processes().first:
            self.path.unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove a folder of checkpoints; those that another, stopped training left stay in it."""
    for inner in sorted(folder.glob("**/"), reverse=True):
        if not any(inner.iterdir()):
            inner.rmdir()


def training_key(recipe: Recipe, *data: NDArray[np.generic]) -> str:
    """Return what identifies a training: its recipe and the data that it learns from."""
    digest = hashlib.sha256(json.dumps(recipe.to_dict(), sort_keys=True).encode())
    for array in data:
        digest.update(array.tobytes())
    return digest.hexdigest()
