"""Measure a GPU in minutes: its limits, both networks in every arithmetic, and a whole slide.

    python -m benchmarks.gpu [--minutes 8] [--out gpu.json] [--models models] [--device cuda]

It needs torch, NumPy and what the networks import, but no slide reader: where those are missing,
pixels that are made in memory pass through the same pipeline instead of a slide. Each result is
printed as soon as it is known and kept in the JSON file. `--device cpu` runs everything in small,
to test the script.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from histospace_core.networks import Predictor
    from histospace_core.networks.forms import Encoder

    RGB = NDArray[np.uint8]
    Item = list[Any]

MODELS = ("histospace-her2st", "histospace-plus-her2st")
COMPILING = 90
"""Seconds that must be left to begin with a compiler."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured: sides of matrices, MB, tiles, and seconds of each measurement."""

    matrix: int = 8192
    copy_mb: int = 1024
    batches: tuple[int, ...] = (128, 1024, 4096)
    sample: int = 256
    block: int = 8
    chunks: int = 16
    slide_px: int = 20_480
    seconds: float = 1.0


SMALL = Sizes(256, 8, (2,), 8, 2, 2, 2048, 0.0)


class Report:
    """Results, printed and written as they come."""

    def __init__(self, out: Path | None, minutes: float) -> None:
        self._out, self._end = out, time.monotonic() + 60 * minutes
        self._found: dict[str, list[dict[str, Any]]] = {}
        watch = threading.Timer(60 * minutes, self._stop)
        watch.daemon = True
        watch.start()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()

    def add(self, part: str, **facts: Any) -> None:
        self._found.setdefault(part, []).append(facts)
        shown = ", ".join(f"{k.replace('_', ' ')} {_shown(v)}" for k, v in facts.items())
        print(f"{part}: {shown}", flush=True)
        if self._out:
            part_of = self._out.with_name(self._out.name + ".part")
            part_of.write_text(json.dumps(self._found, indent=2) + "\n", "utf-8")
            part_of.replace(self._out)  # at once, because the time may be up at any moment

    def _stop(self) -> None:
        print("The time is up: what was measured until now stands above.", flush=True)
        os._exit(0)  # a compiler or a card that does not answer cannot be interrupted otherwise


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class MadeSlide:
    """A texture in the colours of H&E that repeats without end, read like a slide."""

    mpp = 0.69

    def __init__(self, side: int = 2048) -> None:
        import torch
        from torch.nn.functional import interpolate

        random = torch.Generator().manual_seed(0)
        fine, cells, regions, wide = (
            interpolate(torch.randn(1, 1, n, n, generator=random), (side, side), mode="bicubic")
            for n in (side // 2, side // 8, side // 64, side // 256)
        )
        nuclei = torch.sigmoid(4 * (cells + 0.3 * fine + regions - 1))
        glass = torch.sigmoid(4 * (wide + 0.5 * cells - 1.5))
        haematoxylin, eosin, white = (
            torch.tensor(colour).view(3, 1, 1)
            for colour in ([100.0, 70.0, 150.0], [225.0, 160.0, 195.0], [242.0, 242.0, 242.0])
        )
        tissue = nuclei[0] * haematoxylin + (1 - nuclei[0]) * (eosin + 12 * fine[0])
        pixels = glass[0] * white + (1 - glass[0]) * tissue
        self._pixels = pixels.clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()

    def read(self, x: float, y: float, w: float, h: float, out_w: int, out_h: int) -> "RGB":
        import numpy as np

        side = len(self._pixels)
        columns, rows = (
            np.floor(first + (np.arange(n) + 0.5) * length / n).astype(np.intp) % side
            for first, length, n in ((x, w, out_w), (y, h, out_h))
        )
        return self._pixels[np.ix_(rows, columns)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    asked = parser.parse_args()
    try:
        import torch

        import histospace_core.networks  # noqa: F401
        from histospace_core.errors import ModelError
    except ImportError as error:
        sys.exit(_refusal(f"This needs a package that is not installed: {error}."))
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit(_refusal("PyTorch finds no CUDA GPU on this machine; --device cpu runs a test."))
    if not asked.models.is_dir():
        sys.exit(_refusal(f"There is no folder '{asked.models}'; give that of the models."))
    if asked.out and not asked.out.absolute().parent.is_dir():
        sys.exit(_refusal(f"There is no folder for '{asked.out}'; make it, or write elsewhere."))
    sizes = SMALL if asked.device == "cpu" else Sizes()
    try:
        measure(Report(asked.out, asked.minutes), asked.models, torch.device(asked.device), sizes)
    except ModelError as error:
        sys.exit(_refusal(str(error)))


def _refusal(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def measure(report: Report, models: Path, device: "torch.device", sizes: Sizes) -> None:
    """Run all parts, those that may take long last."""
    from histospace_core.networks import Predictor, load_package

    card(report, device)
    limits = measure_limits(report, device, sizes)
    copies(report, device, sizes)
    slide = MadeSlide()
    benches = [
        Bench(Predictor(load_package(models / name), device.type), slide, sizes, limits)
        for name in MODELS
    ]
    for form in ("fp32", "bf16"):
        for bench in benches:
            bench.measure(form, report)
    for bench in benches:
        if report.left > COMPILING or device.type == "cpu":
            bench.measure("compiled", report)
        else:
            report.add("skipped", form="compiled", network=bench.name, why="little time is left")
    whole_slides(report, models, device, sizes)


def card(report: Report, device: "torch.device") -> None:
    import torch

    versions = {"torch": torch.__version__, "python": platform.python_version()}
    if device.type == "cpu":
        report.add("card", name="none: a test on the CPU", **versions)
        return
    properties = torch.cuda.get_device_properties(device)
    report.add(
        "card",
        name=properties.name,
        capability=f"{properties.major}.{properties.minor}",
        memory_gb=properties.total_memory / 1e9,
        multiprocessors=properties.multi_processor_count,
        driver=_driver(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),
        cores=os.cpu_count(),
        **versions,
    )


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def measure_limits(report: Report, device: "torch.device", sizes: Sizes) -> dict[str, float]:
    """Return the largest TFLOP/s in fp32 and bf16, and GB/s of memory, that were reached."""
    import torch

    found = {}
    n = sizes.matrix
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        seconds = timed(partial(torch.matmul, a, b, out=out), device, sizes.seconds)
        found[name] = 2 * n**3 / seconds / 1e12
    source = torch.empty(sizes.copy_mb * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = timed(lambda: target.copy_(source), device, sizes.seconds)
    found["memory"] = 2 * source.numel() / seconds / 1e9  # read and written
    report.add(
        "limits",
        fp32_tflops=found["fp32"],
        bf16_tflops=found["bf16"],
        memory_gb_per_s=found["memory"],
    )
    return found


def copies(report: Report, device: "torch.device", sizes: Sizes) -> None:
    """Time copies to the device and back."""
    import torch

    n = sizes.copy_mb * 2**18
    there = torch.empty(n, dtype=torch.uint8, device=device)
    for kind in ("pageable", "pinned")[: 2 if device.type == "cuda" else 1]:
        here = torch.ones(n, dtype=torch.uint8, pin_memory=kind == "pinned")
        to = timed(partial(there.copy_, here, non_blocking=True), device, sizes.seconds)
        back = timed(partial(here.copy_, there, non_blocking=True), device, sizes.seconds)
        report.add(
            "copies", memory=kind, to_device_gb_per_s=n / to / 1e9, back_gb_per_s=n / back / 1e9
        )


def timed(run: Callable[[], object], device: "torch.device", least: float) -> float:
    """Return the seconds of one call, over enough calls to take `least` seconds."""
    run()
    synchronise(device)
    calls, started = 0, time.perf_counter()
    while True:
        for _ in range(2**calls):  # the processor must not wait after every call
            run()
        synchronise(device)
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= least:
            return elapsed / (2**calls - 1)


def synchronise(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Bench:
    """One network on a device.

    Parameters
    ----------
    predict
    slide
    sizes
    limits
        What `measure_limits` returns.
    """

    def __init__(
        self, predict: "Predictor", slide: MadeSlide, sizes: Sizes, limits: dict[str, float]
    ) -> None:
        import numpy as np

        self.name = predict.package.name
        self._predict, self._slide, self._sizes, self._limits = predict, slide, sizes, limits
        self._plain = predict.encoder
        centres = np.random.default_rng(0).uniform(0, 2048, (sizes.sample, 2))
        self._sample = self._cut(centres)
        self._exact = predict(*self._sample)[0]
        self._gmacs, self._values = self._costs()

    def measure(self, form: str, report: Report) -> None:
        """Time one form at several batch sizes, compare it with fp32, and run it on a slide."""
        import torch

        from histospace_core.networks import Predictor

        started = time.perf_counter()
        with torch.inference_mode():
            encoder = self._form(form)
            if encoder is None:
                why = "this card computes in bf16 no faster than in fp32"
                report.add("skipped", form=form, network=self.name, why=why)
                return
            self._predict.encoder = encoder
            found = self._predict(*self._sample)[0]
            first = time.perf_counter() - started
            self._agreement(form, self._exact, found, report, first_call_s=first)
            if form == "fp32":
                few = [view[:32] for view in self._sample]
                with Predictor(self._predict.package, "cpu") as on_cpu:
                    exact = on_cpu(*few)[0]
                self._agreement("fp32, with the CPU", exact, found[:32], report)
            # a compiler compiles each size for itself, and the engine uses few
            for n in self._sizes.batches[: 2 if form == "compiled" else None]:
                self._forward(form, n, report)
        self._end_to_end(form, report)

    def _form(self, name: str) -> "Encoder | None":
        """Return a form; None if the card is too old for it."""
        import torch

        from histospace_core.networks.forms import gpu_forms, rounds

        if name == "fp32":
            return self._plain
        device = self._predict.device
        on_cpu = device.type == "cpu"
        # on a CPU only the tracing is tested
        compiler = partial(torch.compile, backend="eager") if on_cpu else torch.compile
        forms = gpu_forms(self._predict.network, on_cpu or rounds(device), compiler)
        return forms[name]() if name in forms else None

    def _agreement(self, form: str, exact: Any, found: Any, report: Report, **facts: Any) -> None:
        from histospace_core.networks.predictor import compare

        with_fp32 = compare(exact, found)
        report.add(
            "agreement",
            network=self.name,
            form=form,
            arithmetic=self._predict.encoder.name,
            tiles=with_fp32.tiles,
            mean_r=round(with_fp32.mean_r, 7),
            least_r=round(with_fp32.least_r, 7),
            largest_difference=with_fp32.largest_difference,
            **facts,
        )

    def _forward(self, form: str, n: int, report: Report) -> None:
        """Time the network alone on `n` tiles that are on the device."""
        import numpy as np
        import torch

        device = self._predict.device
        rows = np.arange(n) % self._sizes.sample
        try:
            views = [torch.from_numpy(view[rows]).to(device) for view in self._sample]
            seconds = timed(lambda: self._predict.encoder(*views), device, self._sizes.seconds)
        except torch.OutOfMemoryError:
            report.add("skipped", form=form, network=self.name, batch=n, why="memory is short")
            return
        rounded = "bf16" in self._predict.encoder.name
        tflops = 2 * self._gmacs * n / seconds / 1e3
        gigabytes = (2 if rounded else 4) * self._values * n / seconds / 1e9
        report.add(
            "forward",
            network=self.name,
            form=form,
            batch=n,
            tiles_per_s=n / seconds,
            patches_per_s=n * len(self._sample) / seconds,
            tflops=tflops,
            share_of_arithmetic=tflops / self._limits["bf16" if rounded else "fp32"],
            # as if every layer read its input from memory: a compiler saves some of it
            share_of_memory=gigabytes / self._limits["memory"],
        )

    def _end_to_end(self, form: str, report: Report) -> None:
        """Time reading alone, computing alone, and both through the engine's pipeline."""
        import torch

        from histospace_core.process import usable_cores
        from histospace_core.slides.prefetch import in_order

        per_chunk = max(1, 1024 // self._sizes.block**2) if self._sizes.seconds else 2
        blocks = range(per_chunk * self._sizes.chunks)
        n = len(blocks) * self._sizes.block**2

        def chunks() -> Iterator["Item"]:
            ready = in_order(self._block, blocks, usable_cores())
            for _ in range(self._sizes.chunks):
                yield self._together([next(ready) for _ in range(per_chunk)])

        started = time.perf_counter()
        kept = list(chunks())[:4]
        read = time.perf_counter() - started
        list(self._predict.encode_ahead(kept))  # kernels of these sizes are chosen or compiled
        if self._predict.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        repeated = (kept[i % len(kept)] for i in range(self._sizes.chunks))
        started = time.perf_counter()
        list(self._predict.encode_ahead(repeated))
        computed = time.perf_counter() - started
        started = time.perf_counter()
        list(self._predict.encode_ahead(chunks()))
        both = time.perf_counter() - started
        peak = torch.cuda.max_memory_allocated() / 1e6 if self._predict.on_gpu else 0.0
        report.add(
            "pixels in memory, end to end",
            network=self.name,
            form=form,
            tiles=n,
            tiles_per_s=n / both,
            reading_alone=n / read,
            computing_alone=n / computed,
            device_memory_mb=peak,
        )

    def _block(self, i: int) -> "Item":
        """Return what the network sees of the `i`-th square of tiles."""
        from typing import cast

        import numpy as np

        from histospace_core.slides.open import Slide
        from histospace_core.slides.tiles import cut_spot_windows

        package, side = self._predict.package, self._sizes.block
        step = package.tile_um / self._slide.mpp
        grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
        centres = (grid + 0.5 + [side * (i % 32), side * (i // 32)]) * step
        if self._predict.dense:
            return list(
                cut_spot_windows(cast("Slide", self._slide), centres, package.views).windows
            )
        return self._cut(centres)

    def _together(self, blocks: "list[Item]") -> "Item":
        import numpy as np

        from histospace_core.slides.patches import Windows

        join = Windows.stacked if self._predict.dense else np.concatenate
        return [join(parts) for parts in zip(*blocks, strict=True)]

    def _cut(self, centres: "NDArray[np.float64]") -> "list[RGB]":
        """Return every view of some tiles."""
        from typing import cast

        from histospace_core.slides.open import Slide
        from histospace_core.slides.tiles import tiles_at

        slide = cast("Slide", self._slide)
        return [
            tiles_at(slide, centres, tile_px=view.px, um_per_px=view.um_per_px)
            for view in self._predict.package.views
        ]

    def _costs(self) -> tuple[float, float]:
        """Return GMACs of a tile, and the numbers that its layers read and write."""
        import torch

        from histospace_core.networks.cost import count_gmacs

        values = 0

        def count(_: Any, inputs: Any, output: Any) -> None:
            nonlocal values
            values += sum(t.numel() for t in (*inputs, output) if isinstance(t, torch.Tensor))

        layers = [m for m in self._predict.network.modules() if not list(m.children())]
        hooks = [layer.register_forward_hook(count) for layer in layers]
        views = [torch.from_numpy(v[:2]).to(self._predict.device) for v in self._sample]
        with torch.inference_mode():
            gmacs = count_gmacs(lambda: self._plain(*views)) / 2
        for hook in hooks:
            hook.remove()
        return gmacs, values / 2


def whole_slides(report: Report, models: Path, device: "torch.device", sizes: Sizes) -> None:
    """Predict a slide that is made for this, if its libraries are here."""
    try:
        import anndata  # noqa: F401
        import openslide  # noqa: F401

        from benchmarks.make_slide import make_slide
        from histospace_core.inference.predict import predict_slide
        from histospace_core.networks import load_package
        from histospace_core.slides.open import open_slide
    except ImportError as error:
        why = f"{error}; only pixels in memory pass through the pipeline"
        report.add("skipped", what="slide, end to end", why=why)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = make_slide(Path(folder) / "slide.tif", sizes.slide_px)
        for name in MODELS:
            started = time.perf_counter()
            with open_slide(file) as slide:
                package = load_package(models / name)
                run = predict_slide(slide, package, Path(folder) / name, device=device.type)
            seconds = time.perf_counter() - started
            report.add(
                "slide, end to end",
                network=name,
                arithmetic=run.record.settings.arithmetic,
                tiles=run.n_tiles,
                seconds=seconds,
                tiles_per_s=run.n_tiles / seconds,
                encoding_alone_s=run.record.timings.encoding_seconds,
            )


if __name__ == "__main__":
    main()
