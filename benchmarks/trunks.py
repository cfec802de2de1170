"""Time HistoSPACE+ on several trunks: train, pack, predict and compare on a piece of the sample.

    python benchmarks/trunks.py [--trunks efficientnet-lite0 densenet121 vit-l] [--spots 12]
        [--threads 1]

Weights of all trunks but efficientnet-lite0 are random, which changes neither speed nor memory.
`vit-l` has the shape of UNI (24 blocks of width 1024, patches of 16 px, 224 px). Each trunk runs in
a process of its own with an empty store. Seconds are those of the processor, which other programs
on the machine lengthen less than those of a clock; with one thread on an idle machine they are the
same. Peak memory is that of the process in each stage. The model is trained on the spots that it
predicts, so its scores mean nothing and are not shown.
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
from typing import Any

from histospace_core.remembered import processor

TRUNKS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "efficientnet-lite0": None,
    "densenet121": ("densenet121", {}),
    "vit-l": ("vit_large_patch16_224", {"init_values": 1e-5, "dynamic_img_size": True}),
}
SIDE = 224
PIECE_PX = 1500
STRIDE_UM = 200.0
Figures = dict[str, Any]


def write_trunk(folder: Path, architecture: str, arguments: dict[str, Any]) -> None:
    """Write a trunk's folder with random weights."""
    import timm
    from safetensors.torch import save_file

    folder.mkdir()
    encoder = timm.create_model(architecture, num_classes=0, **arguments)
    save_file(encoder.state_dict(), folder / "model.safetensors")
    facts = {"mean": [0.5] * 3, "std": [0.25] * 3, "input_size": [3, SIDE, SIDE]}
    config = {
        "architecture": architecture,
        "model_args": arguments,
        "pretrained_cfg": {**facts, "license": "random weights"},
    }
    (folder / "config.json").write_text(json.dumps(config))


def write_cohort(folder: Path, n: int) -> Path:
    """Write a piece of the sample's slide with the n spots nearest to its centre, as a cohort."""
    import pandas as pd
    import pyvips

    import histospace_core as hs

    sample = hs.make_sample(folder / "sample")
    spots = pd.read_csv(sample.spots, sep="\t")
    counts = pd.read_csv(sample.counts, sep="\t", index_col=0)
    x, y = spots["pixel_x"], spots["pixel_y"]
    near = ((x - x.mean()) ** 2 + (y - y.mean()) ** 2).nsmallest(n).index
    spots = spots.loc[near]
    corner = spots[["pixel_x", "pixel_y"]].mean() - PIECE_PX / 2
    left, top = corner.round().astype(int)
    image = pyvips.Image.new_from_file(str(sample.image))
    image.crop(left, top, PIECE_PX, PIECE_PX).pngsave(str(folder / "piece.png"))
    spots = spots.assign(pixel_x=spots["pixel_x"] - left, pixel_y=spots["pixel_y"] - top)
    spots.to_csv(folder / "spots.tsv", sep="\t", index=False)
    names = [f"{a}x{b}" for a, b in zip(spots["x"], spots["y"], strict=True)]
    counts.loc[names].to_csv(folder / "counts.tsv", sep="\t")
    table = folder / "cohort.csv"
    table.write_text(
        "section,patient,image,counts,spots,mpp\n"
        f"piece,sample,piece.png,counts.tsv,spots.tsv,{sample.mpp}\n"
    )
    return table


@contextmanager
def stage(name: str, figures: Figures) -> Iterator[None]:
    """Add the processor's seconds and the peak memory of a block to the figures."""
    from histospace_core.networks.cost import peak_memory_mb, reset_peak_memory

    reset_peak_memory()
    started = time.process_time()
    yield
    figures[f"{name} s"] = round(time.process_time() - started, 1)
    figures[f"{name} MB"] = round(peak_memory_mb())


def run(name: str, work: Path, n: int, threads: int) -> Figures:
    """Take one trunk from the cohort to the comparison; return its figures."""
    import torch

    import histospace_core as hs
    from histospace_core.networks.package import load_package
    from histospace_core.training import method_named, read_cohort, train_from_cohort, with_trunk
    from histospace_core.training.arithmetic import arithmetic
    from histospace_core.training.recipe import PlusRecipe

    torch.set_num_threads(threads)
    table = write_cohort(work, n)
    recipe = method_named("histospace-plus").recipe()
    made = TRUNKS[name]
    if made is not None:
        write_trunk(work / name, *made)
    figures: Figures = {"trunk": name}
    with stage("install", figures):
        recipe = with_trunk(recipe, str(work / name) if made else name)
    assert isinstance(recipe, PlusRecipe)
    recipe = recipe.with_(epochs=1, autoencoder_epochs=1)
    for when in ("train", "train again"):
        with stage(when, figures):
            package = train_from_cohort(
                table, work / when, network="histospace-plus", recipe=recipe, device="cpu"
            )
    section = read_cohort(table)[0]
    with stage("predict", figures):
        map_ = hs.predict(
            section.image,
            model=package,
            out=work / "run",
            mpp=section.mpp,
            device="cpu",
            stride_um=STRIDE_UM,
        )
    with stage("compare", figures):
        hs.compare(
            map_,
            section.counts,
            spots=section.spots,
            out=work / "comparison",
            slide=section.image,
            model=package,
            device="cpu",
        )
    network = load_package(work / "train").load()[0]
    figures |= {
        "package MB": size_mb(work / "train"),
        "parameters": package.config["n_parameters"],
        "features of a view": network.trunk.n_features,  # type: ignore[union-attr]
        "cache MB": size_mb(work / "store" / "features"),
        "spots": n,
        "tiles of the map": map_.n_tiles,
        "views/s, features of training": speed(network.trunk, arithmetic(torch.device("cpu"))),  # type: ignore[arg-type, union-attr]
        "views/s, prediction": speed(network.trunk, "fp32"),  # type: ignore[arg-type, union-attr]
        "arithmetic of training": arithmetic(torch.device("cpu")),
        "kernel note": map_.record.settings.kernel_note,
    }
    return figures


def speed(trunk: Any, arithmetic: str) -> float:
    """Return the views a second of a trunk, best of three batches of 8."""
    import torch

    pixels = torch.rand(8, 3, 64, 64).to(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode(), torch.autocast("cpu", enabled=arithmetic == "bf16"):
        for _ in range(3):
            started = time.process_time()
            trunk(pixels)
            seconds.append(time.process_time() - started)
    return round(len(pixels) / min(seconds), 2)


def size_mb(folder: Path) -> float:
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trunks", nargs="+", choices=list(TRUNKS), default=list(TRUNKS))
    parser.add_argument("--spots", type=int, default=12, help="at least 12, to be compared")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(given.trunks[0], Path(given.one), given.spots, given.threads)))
        return
    print(f"{processor()}, threads: {given.threads}")
    for name in given.trunks:
        with tempfile.TemporaryDirectory() as work:
            environment = {
                "HISTOSPACE_STORE": f"{work}/store",
                "OMP_NUM_THREADS": str(given.threads),
            }
            command = [sys.executable, __file__, "--one", work, "--trunks", name]
            command += ["--spots", str(given.spots), "--threads", str(given.threads)]
            done = subprocess.run(
                command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True
            )
        for key, value in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"  {key}: {value}", flush=True)


if __name__ == "__main__":
    main()
