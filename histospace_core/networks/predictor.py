"""Run a model package on tiles, in batches that fit the memory of the device."""

from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from histospace_core.networks.autoencoder import to_pixels
from histospace_core.networks.package import ModelPackage, pick_device

Values = NDArray[np.float32]


class Predictor:
    """A loaded network on a device; a context manager, so that device memory is given back.

    Calling it with tiles, uint8 (n, px, px, 3), one array for each view of the network, returns
    expression, float32 (n, G), and the domain score, float32 (n,): the share of training tiles that
    lie nearer to the training tissue's centre than this tile does. 1 = farther than every training
    tile; NaN = no domain in the package.
    """

    def __init__(
        self, package: ModelPackage, device: str = "auto", batch_size: int | None = None
    ) -> None:
        self.device = pick_device(device)
        network, self.domain = package.load()
        self.network = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)
        self.batch_size = batch_size or (2048 if self.device.type == "cuda" else 64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self.network
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __call__(self, *views: NDArray[np.uint8]) -> tuple[Values, Values]:
        n = len(views[0])
        expression = np.empty((n, self.network.n_genes), np.float32)
        domain = np.empty(n, np.float32)
        start = 0
        while start < n:
            stop = start + self.batch_size
            try:
                batch = [view[start:stop] for view in views]
                expression[start:stop], domain[start:stop] = self._batch(batch)
            except (RuntimeError, MemoryError) as error:
                if not self._shrink(error):
                    raise
                continue
            start = stop
        return expression, domain

    @torch.inference_mode()
    def _batch(self, views: list[NDArray[np.uint8]]) -> tuple[Values, Values]:
        tensors = (torch.from_numpy(np.ascontiguousarray(v)).to(self.device) for v in views)
        features = self.network.encode(*(to_pixels(t) for t in tensors))
        expression = self.network.decode(features).cpu().numpy()
        if self.domain is None:
            return expression, np.full(len(expression), np.nan, np.float32)
        return expression, self.domain.score(self.network.pool(features).cpu().numpy())

    def _shrink(self, error: Exception) -> bool:
        """Halve the batch after an out-of-memory error; False for any other error."""
        out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
            "can't allocate memory" in str(error)
        )
        if not out_of_memory or self.batch_size == 1:
            return False
        self.batch_size //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True
