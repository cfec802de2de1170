"""Keep a GPU busy: while it computes one item, the arrays of the next are copied to it.

Copies have a stream of their own. Events order them: the arithmetic of an item waits for its
arrays, and the processor waits only for results that it needs. On a CPU all of this is done at
once, in the same order.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Item = TypeVar("Item")
Array = NDArray[Any]

AHEAD = 2
"""Items that the device has been given while an earlier result is awaited."""


class Lanes(Protocol):
    """How arrays reach a device and results leave it."""

    def upload(self, arrays: Sequence[Array]) -> list[Tensor]:
        """Begin to copy arrays to the device; what is computed next waits for them."""
        ...

    def download(self, results: Sequence[Tensor]) -> Callable[[], list[Array]]:
        """Begin to copy results back; return what waits for them."""
        ...


class CPULanes:
    """A CPU computes at once, and nothing is copied."""

    def upload(self, arrays: Sequence[Array]) -> list[Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]

    def download(self, results: Sequence[Tensor]) -> Callable[[], list[Array]]:
        found = [result.numpy() for result in results]
        return lambda: found


class CUDALanes:
    """One stream that copies to a CUDA device, beside the stream that computes."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._copying = device, torch.cuda.Stream(device)

    def upload(self, arrays: Sequence[Array]) -> list[Tensor]:
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copying):
            # only a copy from pinned memory overlaps with arithmetic
            tensors = [
                torch.from_numpy(np.ascontiguousarray(array))
                .pin_memory()
                .to(self._device, non_blocking=True)
                for array in arrays
            ]
            copied = self._copying.record_event()
        computing.wait_event(copied)
        for tensor in tensors:
            tensor.record_stream(computing)  # else its memory could be used again too soon
        return tensors

    def download(self, results: Sequence[Tensor]) -> Callable[[], list[Array]]:
        found = []
        for result in results:
            host = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
            found.append(host.copy_(result, non_blocking=True))
        done = torch.cuda.current_stream(self._device).record_event()

        def wait() -> list[Array]:
            done.synchronize()
            # copied, because pinned memory is scarce and the results may be kept
            return [host.numpy().copy() for host in found]

        return wait


def lanes_of(device: torch.device) -> Lanes:
    """Return how arrays reach a device."""
    return CUDALanes(device) if device.type == "cuda" else CPULanes()


def pipelined(
    items: Iterable[Item],
    arrays: Callable[[Item], Sequence[Array]],
    compute: Callable[[Item, list[Tensor]], Sequence[Tensor]],
    lanes: Lanes,
) -> Iterator[list[Array]]:
    """Yield the results of each item, in the order of the items.

    Parameters
    ----------
    items
        Taken one by one, `AHEAD` of the results.
    arrays
        Returns the arrays of an item that the device needs.
    compute
        Returns the results of an item from its arrays on the device; it must not wait for them.
    lanes
        How arrays reach the device and results leave it.
    """
    waiting: deque[Callable[[], list[Array]]] = deque()
    for item in items:
        waiting.append(lanes.download(compute(item, lanes.upload(arrays(item)))))
        if len(waiting) > AHEAD:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()
