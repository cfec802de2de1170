"""The processes that share a training: those that `torchrun` started, or this one alone."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from histospace_core.errors import ModelError
from histospace_core.networks import pick_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Processes:
    """The processes that train together; without `fabric`, only this one.

    Attributes
    ----------
    size, rank
        Number of processes, and the index of this one, from 0.
    """

    def __init__(self, fabric: "Fabric | None" = None) -> None:
        self._fabric = fabric
        self.size = fabric.world_size if fabric else 1
        self.rank = fabric.global_rank if fabric else 0

    @property
    def first(self) -> bool:
        """Whether this process scores and writes; only the first does."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return this process's device for "auto", "cpu" or "cuda".

        Raises
        ------
        ModelError
            There is no such device, or `name` is "cuda" and there are more processes than GPUs.
        """
        device = pick_device(name)
        if self._fabric is None or device.type == "cpu":
            return device
        if self._fabric.device.type == "cuda":
            return self._fabric.device
        if name == "cuda":
            raise ModelError(
                f"There are more processes than GPUs ({torch.cuda.device_count()}) on this "
                "machine; start one process per GPU."
            )
        return torch.device("cpu")

    def mine(self, work: list[T]) -> list[T]:
        """Return consecutive items of a list for this process; none if there are too few."""
        n = len(work)
        return work[n * self.rank // self.size : n * (self.rank + 1) // self.size]

    def add(self, tensors: list[Tensor]) -> list[Tensor]:
        """Sum tensors of one dtype over the processes, in one message."""
        if self._fabric is None:
            return tensors
        message = torch.cat([t.flatten() for t in tensors])  # many small messages would mostly wait
        total = self._fabric.all_reduce(message, reduce_op="sum")
        assert isinstance(total, Tensor)
        parts = total.split([t.numel() for t in tensors])
        return [part.view_as(t) for part, t in zip(parts, tensors, strict=True)]

    def from_first(self, make: Callable[[], T]) -> T:
        """Call `make` in the first process only, and return its result in every process."""
        if self._fabric is None:
            return make()
        made = make() if self.first else None
        made = self._fabric.broadcast(made)
        return cast(T, made)

    def share(self, network: nn.Module) -> None:
        """Copy the state of the network from the first process to every other."""
        if self._fabric is not None:
            state = self.from_first(lambda: {k: v.cpu() for k, v in network.state_dict().items()})
            network.load_state_dict(state)


@lru_cache(1)  # a process can join its group only once
def processes() -> Processes:
    """Return the processes that `torchrun` started, which the first call joins, or this one."""
    if not torch.distributed.is_torchelastic_launched():
        return Processes()
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    here = int(os.environ["LOCAL_WORLD_SIZE"])
    on_gpus = torch.cuda.device_count() >= here  # NCCL refuses two processes on one GPU
    fabric = Fabric(
        accelerator="cuda" if on_gpus else "cpu",
        devices=here,
        num_nodes=int(os.environ["GROUP_WORLD_SIZE"]),  # torchrun's number of machines
        # gloo on GPUs too, for a training that is told to use the CPU
        strategy=DDPStrategy(process_group_backend="cpu:gloo,cuda:nccl" if on_gpus else "gloo"),
    )
    fabric.launch()
    return Processes(fabric)
