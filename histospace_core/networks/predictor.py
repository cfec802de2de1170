"""Run a model package on tiles, in a faster form if it agrees with the plain network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from histospace_core.networks.fast import Encoder, PlainEncoder, fast_encoders
from histospace_core.networks.memory import is_out_of_memory, release_memory
from histospace_core.networks.package import ModelPackage, pick_device

Values = NDArray[np.float32]
Bytes = NDArray[np.uint8]

AGREEMENT = 1e-3
"""Maximum shortfall from 1 of the correlation between fast and plain prediction, mean over genes.
"""


@dataclass(frozen=True)
class Agreement:
    """Agreement of a faster form with the plain network on sample tiles of the slide.

    Attributes
    ----------
    tiles : int
    mean_r, least_r : float
        Correlation of a gene's two predictions over the tiles: mean and minimum over the genes.
    largest_difference : float
        Largest difference of any gene on any tile, in the expression unit.
    """

    tiles: int
    mean_r: float
    least_r: float
    largest_difference: float


class Predictor:
    """A loaded network on a device; a context manager that releases device memory at the end.

    Tiles are uint8 (n, px, px, 3), one array for each view of the network. A call returns
    expression, float32 (n, G), and the domain score, float32 (n,): the share of training tiles that
    are nearer to the centre of the training tissue than this tile. It is 1 if the tile is farther
    away than every training tile, and NaN if the package has no domain. `encode` returns codes,
    from which `expression` computes the genes.

    The plain network in fp32 is used until `tune` has found a faster form.

    Parameters
    ----------
    package
    device
        "auto", "cpu" or "cuda".
    batch_size
        Tiles per batch; halved when memory runs out.
    """

    def __init__(
        self, package: ModelPackage, device: str = "auto", batch_size: int | None = None
    ) -> None:
        self.device = pick_device(device)
        network, self.domain = package.load()
        self.network = network.requires_grad_(False).to(self.device)
        self.network.to(memory_format=torch.channels_last)
        self.on_gpu = self.device.type == "cuda"
        self.batch_size = batch_size or (2048 if self.on_gpu else 32)
        self.encoder: Encoder = PlainEncoder(self.network)
        self.agreement: Agreement | None = None
        """Agreement of the faster form in use; None for the plain network."""
        self.refused: list[str] = []
        """Faster forms that could not be used, and why."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self.network, self.encoder  # the tables of the tiles need the memory next
        release_memory()

    def tune(self, *sample: Bytes) -> None:
        """Choose the fastest form of the network that agrees with the plain one on these tiles.

        If none can be used, the network stays plain and `record` states why.

        Parameters
        ----------
        *sample
            Tiles from all over the slide that will be predicted, one array for each view: some
            forms measure the range of activations on them.
        """
        plain = self.encoder
        exact = self(*sample)[0]
        tensors = [self._on_device(view) for view in sample]
        with torch.inference_mode():
            forms = fast_encoders(self.network, tensors, self.device)
            while True:
                try:
                    form = next(forms, None)  # builds the form, which may fail as well
                    if form is None:
                        break
                    self.encoder = form
                    found = compare(exact, self(*sample)[0])
                # There is no compiler, or this torch lacks the kernel or changed its arguments.
                except (RuntimeError, ImportError, OSError, AttributeError, TypeError) as error:
                    self.refused.append(str(error).strip().splitlines()[0][:200])
                    break  # a generator that raised has ended
                if found.mean_r >= 1 - AGREEMENT:
                    self.agreement = found
                    return
                self.refused.append(f"{form.name}: mean r {found.mean_r:.5f} with fp32")
        self.encoder = plain

    def __call__(self, *views: Bytes) -> tuple[Values, Values]:
        codes, domain = self.encode(*views)
        return self.expression(codes), domain

    def encode(self, *views: Bytes) -> tuple[Values, Values]:
        """Return codes (n, c) and domain scores (n,); thread-safe on a CPU."""
        parts, start = [], 0
        while start < len(views[0]):
            stop = start + self.batch_size
            try:
                parts.append(self._batch([view[start:stop] for view in views]))
            except (RuntimeError, MemoryError) as error:
                if not self._shrink(error):
                    raise
                continue
            start = stop
        codes, domain = zip(*parts, strict=True)
        return np.concatenate(codes), np.concatenate(domain)

    def smooth(
        self, codes: Callable[[], Values], centres_um: NDArray[np.float64], good: NDArray[np.bool_]
    ) -> Values | None:
        """Return the codes of all tiles, each averaged with its neighbours by the network.

        Parameters
        ----------
        codes
            Returns the codes (n, c); called only if the network has a `smooth`.
        centres_um
            Centres (n, 2) of the tiles, um.
        good
            Tiles to smooth; the others keep their codes.

        Returns
        -------
        float32 array (n, c), or None if the network has no `smooth`.
        """
        smooth = getattr(self.network, "smooth", None)
        if smooth is None:
            return None
        values = codes()
        values[good] = smooth(values[good], centres_um[good])
        return values

    @torch.inference_mode()
    def expression(self, codes: Values) -> Values:
        """Return expression (n, G) of codes (n, c)."""
        return self.network.expression(torch.from_numpy(codes).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def _batch(self, views: Sequence[Bytes]) -> tuple[Values, Values]:
        n = len(views[0])
        tensors = [self._on_device(view) for view in views]
        if self.on_gpu:  # one shape, compiled once
            tensors = [pad(t, (0,) * 7 + (self.batch_size - n,)) for t in tensors]
        codes, pooled = (part[:n].cpu().numpy() for part in self.encoder(*tensors))
        if self.domain is None:
            return codes, np.full(n, np.nan, np.float32)
        return codes, self.domain.score(pooled)

    def _on_device(self, view: Bytes) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(view))
        # Only a copy from pinned memory overlaps with arithmetic.
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.on_gpu else tensor

    def _shrink(self, error: Exception) -> bool:
        """Halve the batch after an out-of-memory error; return False for any other error."""
        if not is_out_of_memory(error) or self.batch_size == 1:
            return False
        self.batch_size //= 2
        release_memory()
        return True

    def record(self) -> dict[str, Any]:
        """Return device, arithmetic and agreement, for a run's record.

        `kernel_note` states why the network runs in plain fp32 although this machine has a faster
        form of it; it is empty otherwise.
        """
        plain = self.agreement is None and self.refused
        return {
            "device": self.device.type,
            "arithmetic": self.encoder.name,
            "agreement_with_fp32": None if self.agreement is None else vars(self.agreement),
            "refused": self.refused,
            "kernel_note": f"Runs in plain fp32: {'; '.join(self.refused)}." if plain else "",
        }


def compare(exact: Values, fast: Values) -> Agreement:
    """Compare two predictions (n, G); genes that do not vary over the tiles are left out."""
    x, y = exact - exact.mean(0), fast - fast.mean(0)
    size = np.sqrt((x**2).sum(0) * (y**2).sum(0))
    varied = x.std(0) > 1e-6
    r = (x * y).sum(0)[varied] / np.maximum(size[varied], 1e-12)
    return Agreement(
        tiles=len(exact),
        mean_r=float(r.mean()) if len(r) else 1.0,
        least_r=float(r.min()) if len(r) else 1.0,
        largest_difference=float(np.abs(exact - fast).max()),
    )
