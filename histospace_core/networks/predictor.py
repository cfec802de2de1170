"""Run a model package on tiles, in batches that fit the memory of the device."""

from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from histospace_core.networks.autoencoder import to_pixels
from histospace_core.networks.package import ModelPackage, pick_device


class Predictor:
    """A loaded network on a device; a context manager, so that device memory is given back.

    Calling it with tiles, uint8 (n, 128, 128, 3), returns expression, float32 (n, G), and the
    domain score, float32 (n,): the share of training tiles that lie nearer to the training
    tissue's centre than this tile does. 1 = farther than every training tile; NaN = no domain in
    the package.
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

    def __call__(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        expression = np.empty((len(tiles), self.network.n_genes), np.float32)
        domain = np.empty(len(tiles), np.float32)
        start = 0
        while start < len(tiles):
            stop = start + self.batch_size
            try:
                expression[start:stop], domain[start:stop] = self._batch(tiles[start:stop])
            except (RuntimeError, MemoryError) as error:
                if not self._shrink(error):
                    raise
                continue
            start = stop
        return expression, domain

    @torch.inference_mode()
    def _batch(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pixels = to_pixels(torch.from_numpy(np.ascontiguousarray(tiles)).to(self.device))
        features = self.network.encode(pixels)
        expression = self.network.decode(features)
        pooled = features.mean((2, 3)).cpu().numpy()
        unknown = np.full(len(tiles), np.nan, np.float32)
        return expression.cpu().numpy(), self.domain.score(pooled) if self.domain else unknown

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
