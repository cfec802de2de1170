"""Run a model package on tiles, in a faster form if it agrees with the plain network."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histospace_core.networks.dense import DenseEncoder, arrays_of
from histospace_core.networks.device_pipeline import lanes_of, pipelined
from histospace_core.networks.forms import Encoder, fast_forms, plain_form
from histospace_core.networks.memory import is_out_of_memory, release_memory
from histospace_core.networks.package import ModelPackage, pick_device
from histospace_core.networks.shapes import SHAPES, fill, pieces
from histospace_core.remembered import machine, remembered
from histospace_core.slides.patches import Windows

Values = NDArray[np.float32]
Bytes = NDArray[np.uint8]

AGREEMENT = 1e-3
"""Maximum shortfall from 1 of the correlation between fast and plain prediction, mean over genes.
"""
FORMS = "forms of a model, the fastest first"
"""What the machine remembers of a model."""
_CALLS = 100
"""Calls of the sample, about as much work as a large slide, that a compiler must pay for."""


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
        self.package = package
        network, self.domain = package.load()
        self.network = network.requires_grad_(False).to(self.device)
        self.network.to(memory_format=torch.channels_last)
        self.on_gpu = self.device.type == "cuda"
        if self.on_gpu:  # else convolutions round fp32 to ten bits, and the reference is none
            torch.backends.cudnn.allow_tf32 = False
        self._lanes = lanes_of(self.device)
        # another trunk takes much more memory for a tile
        most = SHAPES[0] if getattr(network, "foreign", None) else SHAPES[-1]
        self.batch_size = batch_size or (most if self.on_gpu else 32)
        self.encoder: Encoder = plain_form(self.network)
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

        The machine remembers which form of a model is fastest; that it agrees is checked for each
        slide. If none can be used, the network stays plain and `record` states why.

        Parameters
        ----------
        *sample
            Tiles from all over the slide that will be predicted, one array for each view: some
            forms measure the range of activations on them.
        """
        tensors = self._lanes.upload(sample)
        threads = torch.get_num_threads()
        with torch.inference_mode():
            forms = fast_forms(self.network, tensors, self.device, threads)
            if not forms:
                return
            plain, exact = self.encoder, self(*sample)[0]

            def agrees(name: str) -> bool:
                try:
                    self.encoder = forms[name]()
                    found = compare(exact, self(*sample)[0])
                # A library or a compiler is missing, or this processor lacks the arithmetic.
                except (RuntimeError, ImportError, OSError, AttributeError, TypeError) as error:
                    reason = str(error).strip().splitlines() or [type(error).__name__]
                    self.refused.append(f"{name}: {reason[-1][:200]}")
                    return False
                if found.mean_r < 1 - AGREEMENT:
                    self.refused.append(f"{name}: mean r {found.mean_r:.5f} with fp32")
                    return False
                self.agreement = found
                return True

            def race() -> list[str]:
                """Return the names of all forms, the fastest first and those of no use last."""
                seconds = {}
                for name in forms:
                    started = time.perf_counter()
                    useful = agrees(name)
                    set_up = time.perf_counter() - started
                    seconds[name] = _seconds(lambda: self(*sample)) if useful else math.inf
                    if self.on_gpu:  # where a compiler may take longer than a slide
                        seconds[name] += set_up / _CALLS
                self.refused.clear()
                return sorted(seconds, key=seconds.__getitem__)

            card = torch.cuda.get_device_name(self.device) if self.on_gpu else self.device.type
            facts = {"model": self.package.sha256, "device": card, "threads": threads}
            order = remembered(FORMS, race, **facts)
            kept = [name for name in order if name in [*forms]] if isinstance(order, list) else []
            # A damaged file may lack some; otherwise all are in it.
            for name in dict.fromkeys([*kept, *forms]):
                if agrees(name):
                    return
            self.encoder, self.agreement = plain, None

    def __call__(self, *views: Bytes) -> tuple[Values, Values]:
        codes, domain = self.encode(*views)
        return self.expression(codes), domain

    def encode(self, *views: Bytes) -> tuple[Values, Values]:
        """Return codes (n, c) and domain scores (n,); thread-safe on a CPU."""
        if self.on_gpu:
            (found,) = self.encode_ahead([views])
            return found
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

    @property
    def dense(self) -> bool:
        """Whether the network pools patches over windows: then `encode_windows` takes a slide."""
        return isinstance(self.encoder, DenseEncoder)

    @torch.inference_mode()
    def encode_windows(self, views: Sequence[Windows]) -> tuple[Values, Values]:
        """Return codes (n, c) and domain scores (n,) of some centres' windows, one for each view.

        Thread-safe on a CPU.
        """
        if not isinstance(self.encoder, DenseEncoder):
            raise TypeError("this network takes views")
        if self.on_gpu:
            (found,) = self.encode_ahead([views])
            return found
        while True:
            try:
                codes, pooled = self.encoder.windows(views, self.device, self.batch_size)
            except (RuntimeError, MemoryError) as error:
                if not self._shrink(error):
                    raise
                continue
            return codes, self._domain_scores(pooled)

    def encode_ahead(
        self, items: Iterable[Sequence[Bytes] | Sequence[Windows]]
    ) -> Iterator[tuple[Values, Values]]:
        """Yield the codes (n, c) and domain scores (n,) of each item, in order.

        For a GPU: it computes some items while the next are taken, and waits for none of them.

        Parameters
        ----------
        items
            Tiles, one array for each view, or some centres' windows, one set for each view.
        """
        for codes, pooled in pipelined(items, _arrays, self._on_device, self._lanes):
            yield codes, self._domain_scores(pooled)

    def smooth(
        self,
        codes: Callable[[], Values],
        centres_um: NDArray[np.float64],
        good: NDArray[np.bool_],
        stride_um: float | None = None,
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
        stride_um
            Distance of the tiles if they lie on a grid.

        Returns
        -------
        float32 array (n, c), or None if the network has no `smooth`.
        """
        smooth = getattr(self.network, "smooth", None)
        if smooth is None:
            return None
        values = codes()
        values[good] = smooth(values[good], centres_um[good], stride_um)
        return values

    @torch.inference_mode()
    def expression(self, codes: Values) -> Values:
        """Return expression (n, G) of codes (n, c)."""
        return self.network.expression(torch.from_numpy(codes).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def _batch(self, views: Sequence[Bytes]) -> tuple[Values, Values]:
        codes, pooled = (part.numpy() for part in self.encoder(*self._lanes.upload(views)))
        return codes, self._domain_scores(pooled)

    @torch.inference_mode()
    def _on_device(
        self, item: Sequence[Bytes] | Sequence[Windows], arrays: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return codes and features of the domain score of an item, on the device."""
        while True:
            try:
                if windows := [seen for seen in item if isinstance(seen, Windows)]:
                    if not isinstance(self.encoder, DenseEncoder):
                        raise TypeError("this network takes views")
                    return self.encoder.windows_on(windows, arrays, self.batch_size)
                parts = [
                    [part[: rows.stop - rows.start] for part in self.encoder(*filled)]
                    for rows, size in pieces(len(arrays[0]), self.batch_size)
                    for filled in [[fill(view[rows], size) for view in arrays]]
                ]
                codes, pooled = (torch.cat(part) for part in zip(*parts, strict=True))
                return codes, pooled
            except (RuntimeError, MemoryError) as error:
                if not self._shrink(error):
                    raise

    def _domain_scores(self, pooled: Values) -> Values:
        if self.domain is None:
            return np.full(len(pooled), np.nan, np.float32)
        return self.domain.score(pooled)

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
            "dense": self.dense,
            "machine": machine(),
            "arithmetic": self.encoder.name,
            "agreement_with_fp32": None if self.agreement is None else vars(self.agreement),
            "refused": self.refused,
            "kernel_note": f"Runs in plain fp32: {'; '.join(self.refused)}." if plain else "",
        }


def _arrays(item: Sequence[Bytes] | Sequence[Windows]) -> list[NDArray[Any]]:
    """Return what a device needs of an item."""
    windows = [seen for seen in item if isinstance(seen, Windows)]
    return arrays_of(windows) or [seen for seen in item if isinstance(seen, np.ndarray)]


def _seconds(run: Callable[[], object]) -> float:
    """Return the least time of three calls: others on the machine only make a call longer."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


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
