"""Forms of the networks: the plain one, and faster ones that agree with it.

An encoder takes uint8 tiles (n, px, px, 3), one array per view. It returns codes (n, c), the
low-dimensional output from which a last linear layer computes the genes, and the features (n, f) of
the domain score. The plain form is the reference. The others may round, so a caller must compare
them with it first (`networks/predictor.py`).
"""

from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor

from histospace_core.networks.autoencoder import to_pixels
from histospace_core.networks.dense import (
    TEXTURED,
    DenseEncoder,
    PatchMaps,
    PlainMaps,
    Weights,
    patch_maps,
    shrunk,
)
from histospace_core.networks.histospace import TILE_PX, HistoSPACE
from histospace_core.networks.histospace_plus import TUNED, HistoSPACEPlus
from histospace_core.networks.int8_graph import (
    encoder_graph,
    int8_layers,
    published_graph,
    weight_steps,
)
from histospace_core.networks.openvino_graph import Compiled, batches, folded, trunk_graphs
from histospace_core.networks.package import Network
from histospace_core.slides.patches import PATCH_PX

Compiler = Callable[..., Callable[..., Any]]

_PIXEL = 1 / 255


class UnknownTrunkError(RuntimeError):
    """The faster form of HistoSPACE+ knows only the trunk EfficientNet-lite0."""


class Encoder(Protocol):
    """From tiles of each view to codes and domain features; `name` states the arithmetic."""

    name: str

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]: ...


class PlainEncoder:
    """A network as trained, in fp32, on views."""

    name = "fp32"

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        features = self._network.encode(*(to_pixels(view) for view in views))
        return self._network.codes(features), self._network.pool(features)


class GPUEncoder:
    """A network on a GPU, in bf16 if the card computes in it, else in fp32.

    Parameters
    ----------
    network
    rounded
        Whether to use bf16.
    compiler
        `torch.compile`, which fuses the conversion from uint8 with the network; None for eager.
    """

    def __init__(self, network: Network, rounded: bool, compiler: Compiler | None = None) -> None:
        self.name = _name(rounded, compiler)
        self._rounded, run = rounded, PlainEncoder(network).__call__
        self._run = compiler(run, dynamic=False) if compiler else run

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(views[0].device.type, torch.bfloat16, enabled=self._rounded):
            codes, pooled = self._run(*views)
        return codes.float(), pooled.float()  # NumPy has no bf16


class GPUMaps(PlainMaps):
    """HistoSPACE+ on a GPU, in bf16 but for the blocks that feed the domain score.

    The parameters are those of `GPUEncoder`.
    """

    def __init__(
        self, network: HistoSPACEPlus, rounded: bool, compiler: Compiler | None = None
    ) -> None:
        super().__init__(network)
        self.name = _name(rounded, compiler, "bf16 and fp32")
        self._rounded = rounded
        if compiler:
            self._maps = compiler(patch_maps, dynamic=False)

    def __call__(self, i: int, patches: Tensor) -> PatchMaps:
        with torch.autocast(patches.device.type, torch.bfloat16, enabled=self._rounded):
            return super().__call__(i, patches)


def rounds(device: torch.device) -> bool:
    """Return whether a GPU computes in bf16; those before capability 8.0 only imitate it."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _name(rounded: bool, compiler: Compiler | None, if_rounded: str = "bf16") -> str:
    return (if_rounded if rounded else "fp32") + (", compiled" if compiler else "")


class Int8HistoSPACE:
    """The published network with its four convolutions in 8-bit integers.

    Parameters
    ----------
    network
    sample
        Tiles (n, 128, 128, 3), uint8, that the network will see, to measure activations on.
    threads
        Number of threads that will call it.
    """

    name = "int8"

    def __init__(self, network: HistoSPACE, sample: Tensor, threads: int) -> None:
        layers = [*folded(network.encoder), *folded(network.head[:4])]
        # a pixel p of the symmetric range stands for p / 127.5 - 1
        scale, zero = (2, 127.5) if network.input_range == "symmetric" else (1, 0.0)
        layers[0] = layers[0][0] * scale * _PIXEL, layers[0][1]
        first: Any = network.head[5]
        linear = first.weight.detach().numpy(), first.bias.detach().numpy()

        stack, _ = int8_layers(layers, _maps(sample), weight_steps(), zero, real_last=True)
        self._run = Compiled(published_graph(stack, linear, TILE_PX, zero), "f32", threads)

    def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
        codes, pooled = self._run.on(views[0])
        return codes, pooled


class OpenVINOMaps:
    """HistoSPACE+ with tuned encoders in 8-bit integers and a trunk in fp32 or bf16.

    Parameters
    ----------
    network
    *sample
        Patches, uint8, that the network will see, one tensor per view.
    precision
        "f32" or "bf16", of blocks 3 to 7 of the trunk.
    threads
        Number of threads that will call it.
    """

    def __init__(
        self, network: HistoSPACEPlus, *sample: Tensor, precision: str, threads: int
    ) -> None:
        self.name = "int8 and fp32" if precision == "f32" else "int8, fp32 and bf16"
        self._weights = Weights(network)
        self._encoders = {}
        for i, encoder in zip(TUNED, network.encoders, strict=True):
            layers = folded(encoder)
            layers[0] = layers[0][0] * _PIXEL, layers[0][1]
            stack, _ = int8_layers(layers, _maps(sample[i]), weight_steps(), real_last=False)
            self._encoders[i] = Compiled(encoder_graph(stack, PATCH_PX), "f32", threads)
        first, later = trunk_graphs(network.lite0, PATCH_PX)
        self._first, self._later = (
            Compiled(first, "f32", threads),
            Compiled(later, precision, threads),
        )

    def __call__(self, i: int, patches: Tensor) -> PatchMaps:
        parts = [self._batch(i, n, batch) for n, batch in batches(patches.numpy())]
        scores, texture, peaks = (
            None if part[0] is None else torch.cat(part) for part in zip(*parts, strict=True)
        )
        assert scores is not None
        return PatchMaps(scores, texture, peaks)

    def _batch(self, i: int, n: int, batch: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        second = self._first(batch)[0]
        blocks = [torch.from_numpy(maps)[:n] for maps in (second, *self._later(second))]
        tuned = torch.from_numpy(self._encoders[i](batch)[0])[:n] if i in TUNED else None
        scores = self._weights.scores(i, blocks, tuned)
        # copied, because the next batch overwrites them
        return scores, _copy(shrunk(blocks[0]) if i in TEXTURED else None), _copy(tuned)


def plain_form(network: Network) -> Encoder:
    """Return the reference: the network as trained, in fp32."""
    if isinstance(network, HistoSPACEPlus) and not network.foreign:
        return DenseEncoder(network, PlainMaps(network))
    return PlainEncoder(network)


def fast_forms(
    network: Network, sample: list[Tensor], device: torch.device, threads: int
) -> dict[str, Callable[[], Encoder]]:
    """Return what builds the faster forms of a network on a device, by name."""
    if device.type == "cuda":
        return gpu_forms(network, rounds(device))
    if isinstance(network, HistoSPACE):
        return {"int8": lambda: Int8HistoSPACE(network, sample[0], threads)}
    if network.foreign:
        name = network.foreign.name
        return {"int8": lambda: _refuse(f"the faster form does not know the trunk '{name}'")}

    def dense(precision: str) -> Callable[[], Encoder]:
        return lambda: DenseEncoder(
            network, OpenVINOMaps(network, *sample, precision=precision, threads=threads)
        )

    return {f"int8 and {precision}": dense(precision) for precision in ("bf16", "f32")}


def gpu_forms(
    network: Network, rounded: bool, compiler: Compiler = torch.compile
) -> dict[str, Callable[[], Encoder]]:
    """Return what builds the forms of a network for a GPU, by name; see `GPUEncoder`."""

    def form(compiler: Compiler | None) -> Encoder:
        if isinstance(network, HistoSPACEPlus) and not network.foreign:
            return DenseEncoder(network, GPUMaps(network, rounded, compiler))
        return GPUEncoder(network, rounded, compiler)

    eager = {"bf16": lambda: form(None)} if rounded else {}
    return {**eager, "compiled": lambda: form(compiler)}


def _refuse(why: str) -> NoReturn:
    raise UnknownTrunkError(why)


def _maps(view: Tensor) -> Tensor:
    """Return tiles (n, h, w, 3) as maps (n, 3, h, w), channels last, without a copy."""
    return view.permute(0, 3, 1, 2)


def _copy(maps: Tensor | None) -> Tensor | None:
    return None if maps is None else maps.clone()
