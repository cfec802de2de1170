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
    """The checkpoint file of one training stage; with `path` None, nothing is saved.

    Parameters
    ----------
    key
        Identifies data and recipe; a file with a different key is ignored.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path = path
        self.key = key

    def save(self, network: nn.Module, optimiser: torch.optim.Optimizer, epoch: int) -> None:
        """Replace the file with the state after `epoch` finished epochs."""
        if self.path is None or not processes().first:
            return
        tensors = {_NETWORK + k: v for k, v in network.state_dict().items()}
        for i, state in optimiser.state_dict()["state"].items():
            # safetensors is flat, so names hold the tree
            tensors |= {f"{_STATE}{i}.{k}": v for k, v in state.items()}
        metadata = {"key": self.key, "epoch": str(epoch)}
        # safetensors refuses channels_last
        on_cpu = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        with atomic_write(self.path) as part:
            save_file(on_cpu, part, metadata)

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Load the state with this key, if any; return the number of finished epochs, or 0."""
        epoch, tensors = processes().from_first(self._read)  # all must resume at one epoch
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
        # only the moments are stored: the settings come from the recipe, which is part of the key
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return epoch

    def _read(self) -> tuple[int, dict[str, Tensor]]:
        """Return epochs and state; 0 and {} if the file is absent, damaged or has another key."""
        if self.path is None or not self.path.exists():
            return 0, {}
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("key") != self.key:
                    return 0, {}
                # `keys()`, because the open file itself cannot be iterated
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return 0, {}  # a damaged file costs time, but must not stop the training
        return int(metadata["epoch"]), tensors

    def clear(self) -> None:
        """Delete the file once the result of the stage is stored elsewhere."""
        if self.path is not None and processes().first:
            self.path.unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Delete the empty folders in a folder of checkpoints, and itself if it is empty then.

    Checkpoints of another, interrupted training remain.
    """
    for inner in sorted(folder.glob("**/"), reverse=True):  # an inner folder before its outer one
        if not any(inner.iterdir()):
            inner.rmdir()


def training_key(recipe: Recipe, *data: NDArray[np.generic]) -> str:
    """Return the key of a training: a digest of its recipe and its training data."""
    digest = hashlib.sha256(json.dumps(recipe.to_dict(), sort_keys=True).encode())
    for array in data:
        digest.update(array.tobytes())
    return digest.hexdigest()
