"""A gradient step whose result does not depend on how many processes take it.

Rounding matters here: after batch norm, the gradient of a filter is a small difference of large
sums, and Adam scales even a rounding error to a full step. With a different number of threads, the
weights can differ by a whole step after the first one. A batch is therefore computed in parts of a
fixed size, the same in every process, and the gradients of more than two parts are added in double
precision, so that the order of the sum does not change the result.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from histospace_core.errors import ModelError
from histospace_core.networks.memory import is_out_of_memory, release_memory
from histospace_core.progress import Progress
from histospace_core.training.parallel import processes

PART = 16
"""Largest number of rows in a part. Batch norm that learns normalises each part separately (Hoffer
et al. 2017, arXiv:1705.08741); its running statistics are the mean over the parts."""


class Step:
    """Gradient steps on the mean loss of a batch, whose parts are divided among the processes.

    If a part does not fit in memory, this and all later parts are halved. The gradients stay the
    same up to rounding, but batch norm that learns then normalises half as many rows.
    """

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        groups = optimiser.param_groups
        self.network = network
        self.optimiser = optimiser
        self.part = PART
        self._weights = [w for group in groups for w in group["params"]]

    def __call__(self, n: int, loss_of: Callable[[slice], Tensor]) -> Tensor:
        """Take a step on a batch of n rows and return its loss.

        Parameters
        ----------
        loss_of
            Mean loss of some of the rows.

        Raises
        ------
        ModelError
            Memory is too small for a single row.
        """
        while (loss := self._gradients(n, loss_of)) is None:
            release_memory()
            if self.part == 1:
                raise ModelError(
                    "There is not enough memory to train on even one spot at a time; close other "
                    "programs, or use a machine with more memory."
                )
            self.part //= 2
        self.optimiser.step()
        return loss

    @property
    def note(self) -> str:
        """Note for the progress; empty unless a part did not fit in memory."""
        return "" if self.part == PART else f"memory is short: {self.part} spots at a time"

    def finished_epoch(self, stage: str, epoch: int, epochs: int, losses: list[Tensor]) -> Progress:
        """Return the progress after an epoch (1-based) of a stage, with the mean of its losses."""
        loss = float(torch.stack(losses).mean())
        return Progress(epoch, epochs, stage, epoch=epoch, loss=loss, note=self.note)

    def _gradients(self, n: int, loss_of: Callable[[slice], Tensor]) -> Tensor | None:
        """Set gradients and batch statistics; return the loss, or None if memory was too small."""
        statistics = self._statistics()
        before = [s.clone() for s in statistics]
        parts = self._parts_of(n)
        # the sum of two numbers does not depend on their order
        exact = torch.float64 if len(parts) > 2 else torch.float32
        zero = self._weights[0].new_zeros((), dtype=exact)
        sums: list[Tensor] = []
        total, lacking = zero.clone(), zero.clone()
        try:
            for rows in processes().mine(parts):
                share = (rows.stop - rows.start) / n
                # not zeros in place: `sums` may hold the tensors of the first part
                self.optimiser.zero_grad(set_to_none=True)
                _set(statistics, before)  # every part starts alike, whichever process has it
                loss = loss_of(rows) * share
                loss.backward()
                total += loss.detach()
                found = [torch.zeros_like(w) if w.grad is None else w.grad for w in self._weights]
                found += [s * share for s in statistics]
                if sums:
                    sums = [s.add_(f) for s, f in zip(sums, found, strict=True)]
                else:  # adding the first part to zeros would cost one more pass
                    sums = [f.to(exact) for f in found]
        # PyTorch reports full memory of the CPU as a plain RuntimeError
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            lacking += 1  # no `return`: the other processes wait in the sum below
        if not sums:  # with fewer parts than processes, or without memory
            sums = [torch.zeros_like(t, dtype=exact) for t in (*self._weights, *statistics)]
        *sums, total, lacking = processes().add([*sums, total, lacking])
        if bool(lacking):
            _set(statistics, before)
            return None
        # not strict: `sums` continues with the batch statistics
        for weight, gradient in zip(self._weights, sums, strict=False):
            weight.grad = gradient.to(weight.dtype)
        _set(statistics, sums[len(self._weights) :])
        return total.float()

    def _parts_of(self, n: int) -> list[slice]:
        # parts of equal size, so that batch norm never sees only a few rows
        k = -(-n // self.part)
        return [slice(n * i // k, n * (i + 1) // k) for i in range(k)]

    def _statistics(self) -> list[Tensor]:
        """Return the running statistics of the batch norms that learn."""
        layers = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        return [buffer for layer in layers for buffer in layer.buffers()]


def _set(tensors: list[Tensor], values: list[Tensor]) -> None:
    """Copy values in place; round the number of batches, which is an integer."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value if tensor.is_floating_point() else value.round())
