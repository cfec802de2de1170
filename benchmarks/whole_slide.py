"""Time whole slides: the published pipeline, our engine with both networks, and its lower bounds.

    python -m benchmarks.whole_slide [--slide SLIDE] [--repeats 3] [--device auto] [--isa avx2]
        [--genes 1000] [--parts published,histospace,plus,fine,decode,forward]
        [--sides 61440,102400] [--store]

Each figure comes from a separate process; the parts run in turn. `published` cuts the tiles to
JPEG files, reads them with PIL and a DataLoader, runs the published network in eager fp32 and
stores the result, as the authors' code does. `histospace` is that network in our engine, `plus`
HistoSPACE+ in our engine, and `fine` the same at a third of the stride: nine times the tiles.
`decode` reads the pixels of `plus` and discards them; `forward` computes them from memory. "process
s" includes imports. `--isa avx2` imitates a processor with AVX2 only. `--sides` adds the peak
memory of predicting slides of these sizes with HistoSPACE+, and `--store` the times of one gene of
200,000 tiles x 2,000 genes. Without --slide, a slide of 20,480 px a side is made.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from histospace_core.process import usable_cores
from histospace_core.remembered import processor

PARTS = ("published", "histospace", "plus", "fine", "decode", "forward")
PUBLISHED, PLUS = "histospace-her2st", "histospace-plus-her2st"
MODELS = {"published": PUBLISHED, "histospace": PUBLISHED}  # the others use HistoSPACE+
ISA = {
    "native": {},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}
Figures = dict[str, Any]


def cut_model(source: Path, folder: Path, n: int) -> Path:
    """Write a copy of the package `source` with only its first `n` genes."""
    from histospace_core.networks import load_package, save_package

    package = load_package(source)
    network, domain = package.load()
    assert domain is not None
    genes = len(package.genes)
    arguments = {**package.config["arguments"], "n_genes": n}
    small = type(network)(**arguments)
    state = {
        name: value[:n]
        if value.shape[:1] == (genes,)
        else value[..., :n]
        if value.shape[-1:] == (genes,)
        else value
        for name, value in network.state_dict().items()
    }
    small.load_state_dict(state)
    config = {**package.config, "arguments": arguments}
    save_package(folder / source.name, small, domain, config, package.genes[:n], "# cut\n")
    return folder / source.name


def published(slide: Path, model: Path, out: Path, device: str) -> Figures:
    """Cut tiles to JPEG files; predict them with PIL, a DataLoader and eager fp32."""
    import numpy as np
    import openslide
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from histospace_core.networks import load_package, pick_device
    from histospace_core.slides.open import open_slide
    from histospace_core.slides.plan import plan_tiles
    from histospace_core.slides.tissue import find_tissue

    class Tiles(Dataset[torch.Tensor]):
        def __init__(self, files: list[Path]) -> None:
            self.files = files

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, i: int) -> torch.Tensor:
            with Image.open(self.files[i]) as image:
                pixels = np.asarray(image.convert("RGB"))
            return torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)

    package, where = load_package(model), pick_device(device)
    with open_slide(slide) as opened:
        plan = plan_tiles(opened, find_tissue(opened))
    files = []
    side = round(plan.tile_level0)
    with openslide.OpenSlide(slide) as reader:
        for i, (x, y) in enumerate(plan.centres - plan.tile_level0 / 2):
            tile = reader.read_region((round(x), round(y)), 0, (side, side)).convert("RGB")
            files.append(out / f"{i}.jpg")
            tile.resize((plan.tile_px, plan.tile_px)).save(files[-1])
    network = package.load()[0].to(where).eval()
    loader = DataLoader(Tiles(files), batch_size=32, num_workers=2)
    with torch.no_grad():
        expression = torch.cat([network(pixels.to(where)).cpu() for pixels in loader])
    np.save(out / "expression.npy", expression.numpy())
    return {"tiles": len(files)}


def engine(
    slide: Path, model: Path, out: Path, device: str, stride_um: float | None = None
) -> Figures:
    from histospace_core.inference import predict_slide
    from histospace_core.networks import load_package
    from histospace_core.networks.cost import peak_memory_mb
    from histospace_core.slides.open import open_slide

    with open_slide(slide) as opened:
        package = load_package(model)
        run = predict_slide(opened, package, out / "run", device=device, stride_um=stride_um)
    settings = run.record.settings
    return {
        "tiles": run.n_tiles,
        "arithmetic": settings.arithmetic,
        "agreement": settings.agreement_with_fp32 and settings.agreement_with_fp32.mean_r,
        "memory_mb": peak_memory_mb(),
    }


histospace = plus = engine


def fine(slide: Path, model: Path, out: Path, device: str) -> Figures:
    from histospace_core.networks import load_package

    return engine(slide, model, out, device, load_package(model).tile_um / 3)


def decode(slide: Path, model: Path, out: Path, device: str) -> Figures:
    """Time reading alone, with the threads of the engine."""
    import torch

    from histospace_core.slides.prefetch import in_order

    with _opened(slide, model) as (_, plan, cut):
        started = time.perf_counter()
        blocks = in_order(cut, plan.blocks, torch.get_num_threads())
        tiles = sum(len(block.readable) for block in blocks)
        return {"tiles": tiles, "seconds": time.perf_counter() - started}


def forward(slide: Path, model: Path, out: Path, device: str) -> Figures:
    """Time the network alone on a thousand tiles in memory, in the form that the engine uses."""
    import torch

    from histospace_core.networks import Predictor, load_package
    from histospace_core.slides.prefetch import in_order
    from histospace_core.slides.tiles import sample_tiles

    package = load_package(model)
    with _opened(slide, model) as (opened, plan, cut), Predictor(package, device) as predict:
        predict.tune(*sample_tiles(opened, plan, package.views))
        kept = [cut(block) for block in plan.blocks[:6]]
        threads = 1 if predict.on_gpu else torch.get_num_threads()

        def run(block: Any) -> int:
            if not predict.on_gpu:
                torch.set_num_threads(1)
            return len(predict.encode_windows(block.windows)[0])

        list(in_order(run, kept[:threads], threads))
        started = time.perf_counter()
        tiles = sum(in_order(run, kept, threads))
        seconds = time.perf_counter() - started
        return {"tiles": plan.n_tiles, "seconds": seconds / tiles * plan.n_tiles}


@contextmanager
def _opened(slide: Path, model: Path) -> Iterator[tuple[Any, Any, Any]]:
    """Open a slide; yield it, its plan, and what cuts a block as HistoSPACE+ sees it."""
    from functools import partial

    from histospace_core.networks import load_package
    from histospace_core.slides.open import open_slide
    from histospace_core.slides.plan import plan_tiles
    from histospace_core.slides.tiles import cut_block_windows
    from histospace_core.slides.tissue import find_tissue

    views = load_package(model).views
    with open_slide(slide) as opened:
        tissue = find_tissue(opened)
        plan = plan_tiles(opened, tissue, tile_px=views[0].px, um_per_px=views[0].um_per_px)
        yield opened, plan, partial(cut_block_windows, opened, plan, views=views)


def run_part(part: str, slide: Path, models: Path, device: str, isa: str) -> Figures:
    """Run one part in a separate process; `whole` is the lifetime of the process, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        model = models / MODELS.get(part, PLUS)
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.whole_slide", "--part", part]
        command += ["--slide", str(slide), "--model", str(model), "--device", device]
        output = subprocess.run(
            [*command, "--out", folder],
            env={**os.environ, "HISTOSPACE_STORE": str(models / "store"), **ISA[isa]},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        return {**json.loads(output.splitlines()[-1]), "whole": time.perf_counter() - started}


def store_figures(folder: Path) -> Figures:
    """Time reading one gene of a large store through a new handle, and drawing its figure."""
    import numpy as np
    import pandas as pd

    from benchmarks.made_record import made_record
    from histospace_core.figures.canvas import Canvas
    from histospace_core.figures.overlay import overlay
    from histospace_core.inference import open_prediction
    from histospace_core.inference.layout import ROWS_PER_SHARD
    from histospace_core.inference.record import SlideRecord
    from histospace_core.inference.store import write_matrix, write_tables

    n, genes = 200_000, 2_000
    rng = np.random.default_rng(0)
    some = rng.normal(1, 0.4, (ROWS_PER_SHARD, genes)).astype(np.float32)
    write_matrix(folder, lambda rows: some[: rows.stop - rows.start], (n, genes))
    index = np.arange(n)
    centres = np.column_stack([index % 500, index // 500]) * np.float64(128) + 64
    obs = pd.DataFrame({"qc": "ok"}, index=[f"tile{i:06d}" for i in index])
    var = pd.DataFrame({"held_out_pearson": 0.1}, index=[f"GENE{i}" for i in range(genes)])
    slide = SlideRecord(
        name="grid",
        sha256="0" * 64,
        width=64_000,
        height=51_200,
        mpp=0.69,
        mpp_source="file",
        vendor="",
        reader="",
    )
    write_tables(folder, obs, var, centres, made_record(slide, "grid", n, 128.0))
    read, drawn = [], []
    for i in range(11):
        started = time.perf_counter()
        prediction = open_prediction(folder)
        values = prediction.gene(f"GENE{i * 150}")
        read.append(time.perf_counter() - started)
        started = time.perf_counter()
        overlay(
            Canvas(64_000, 51_200, 0.69),
            prediction.centres,
            values,
            tile=128,
            stride=128,
            label="GENE",
            unit="log10",
        )
        drawn.append(time.perf_counter() - started)
    return {"gene_ms": 1e3 * median(read), "figure_ms": 1e3 * median(drawn)}


def compare(
    slide: Path, models: Path, device: str, isa: str, parts: list[str], repeats: int
) -> None:
    """Run the parts in turn and print the medians."""
    found: dict[str, list[Figures]] = {part: [] for part in parts}
    for part in {"histospace", "plus"} & set(parts):  # so that the machine knows its kernels
        run_part(part, slide, models, device, isa)
    for _ in range(repeats):
        for part in parts:
            found[part].append(run_part(part, slide, models, device, isa))
    print(f"{processor()}, {isa}, {usable_cores()} cores")
    print(f"{'part':12}{'s':>8}{'tiles/s':>9}{'process s':>11}{'tiles/s':>9}")
    seconds = {p: median(f["seconds"] for f in figures) for p, figures in found.items()}
    whole = {p: median(f["whole"] for f in figures) for p, figures in found.items()}
    for part in parts:
        last = found[part][-1]
        n = last["tiles"]
        print(
            f"{part:12}{seconds[part]:8.2f}{n / seconds[part]:9.0f}"
            f"{whole[part]:11.2f}{n / whole[part]:9.0f}",
            *(
                [f"  {last['arithmetic']}, r {last['agreement']:.5f}, {last['memory_mb']:.0f} MB"]
                if "arithmetic" in last
                else []
            ),
        )
    for slow, fast in (
        ("published", "histospace"),
        ("published", "plus"),
        ("plus", "histospace"),
        ("fine", "plus"),
    ):
        if {slow, fast} <= found.keys():
            print(f"{slow} / {fast}: {whole[slow] / whole[fast]:.2f} (whole processes)")
    if {"plus", "decode", "forward"} <= found.keys():
        bound = seconds["decode"] + seconds["forward"]
        print(f"plus / (decode + forward): {seconds['plus'] / bound:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--isa", choices=ISA, default="native")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument(
        "--sides", default="", help="sides of the slides on which to measure peak memory, px"
    )
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        started = time.perf_counter()
        figures = globals()[asked.part](asked.slide, asked.model, asked.out, asked.device)
        print(json.dumps({"seconds": time.perf_counter() - started, **figures}))
        return
    from benchmarks.make_slide import make_slide

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in (PUBLISHED, PLUS):
            cut_model(Path("models") / model, folder, asked.genes)
        slide = asked.slide or make_slide(folder / "slide.tif")
        if parts := [part for part in asked.parts.split(",") if part]:
            compare(slide, folder, asked.device, asked.isa, parts, asked.repeats)
        for side in (int(s) for s in asked.sides.split(",") if s):
            made = make_slide(folder / f"{side}.tif", side)
            large = run_part("plus", made, folder, asked.device, asked.isa)
            print(
                f"{side} px: {large['tiles']} tiles, {large['memory_mb']:.0f} MB peak, "
                f"{large['whole']:.0f} s"
            )
        if asked.store:
            (folder / "store").mkdir(exist_ok=True)
            print(store_figures(folder / "store"))


if __name__ == "__main__":
    main()
