r"""Compare the time of a training on this processor with that on an imitation of AVX2 alone.

`ONEDNN_MAX_CPU_ISA` and `ATEN_CPU_CAPABILITY` make oneDNN and PyTorch use AVX2 only. Child
processes with and without them alternate. Each asks both libraries which instructions they use,
chooses its arithmetic as every training does, and trains for two epochs of each stage. The second
epoch times a step; the first also prepares kernels. A fold has these two epochs, everything else
that a training does, and the remaining epochs of the recipe at the time of the second. Times are of
the processor, with one thread, so other work on the machine changes them less.

    python benchmarks/instruction_sets.py COHORT.csv [--sections C2 ...] [--spots 64] \
        [--network histospace-plus] [--repeats 3]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from torch.backends import mkldnn

from histospace_core.progress import Progress
from histospace_core.remembered import processor
from histospace_core.training import TrainingSet, method_named, read_cohort
from histospace_core.training.arithmetic import arithmetic
from histospace_core.training.method import FitContext

CPU = torch.device("cpu")
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
EPOCHS = 2


def train(cohort: Path, sections: list[str], spots: int | None, network: str) -> dict[str, object]:
    """Train for two epochs of each stage; return the seconds of its steps and of a fold."""
    torch.set_num_threads(1)
    with mkldnn.verbose(mkldnn.VERBOSE_ON):  # oneDNN names its instructions on standard output
        # large enough for PyTorch to leave it to oneDNN
        torch.nn.Conv2d(64, 64, 3)(torch.zeros(4, 64, 32, 32)).sum()
    method = method_named(network)
    recipe = method.recipe()
    chosen = [s for s in read_cohort(cohort) if s.name in sections or not sections]
    whole = method.load(chosen).values()
    parts = [
        replace(s, views=tuple(v[:spots] for v in s.views), measured=s.measured[:spots].copy())
        for s in whole
    ]
    data = TrainingSet.of(parts, recipe)
    epochs: dict[str, float] = {}
    last = started = time.process_time()

    def on_progress(event: Progress) -> None:
        nonlocal last
        now = time.process_time()
        if event.epoch == EPOCHS:
            epochs[event.stage] = now - last
        last = now

    name = arithmetic(CPU)
    short = recipe.with_(epochs=EPOCHS, autoencoder_epochs=EPOCHS)
    method.fit(data, short, FitContext(CPU, on_progress=on_progress))
    fold = time.process_time() - started
    steps = {}
    full = recipe.to_dict()
    for stage, seconds in epochs.items():
        prefix = "autoencoder_" if stage.startswith("autoencoder") else ""
        fold += (full[f"{prefix}epochs"] - EPOCHS) * seconds
        steps[stage] = seconds / -(-len(data.targets) // full[f"{prefix}batch"])
    return {
        "aten": torch.backends.cpu.get_cpu_capability(),
        "arithmetic": name,
        "spots": len(data.targets),
        "steps": steps,
        "fold": fold,
    }


def child(options: argparse.Namespace, limits: dict[str, str]) -> dict[str, object]:
    """Train in a process with these environment variables."""
    unlimited = {k: v for k, v in os.environ.items() if k not in AVX2}
    command = [sys.executable, __file__, str(options.cohort), "--network", options.network]
    command += ["--child", "--sections", *options.sections]
    command += ["--spots", str(options.spots)] if options.spots else []
    environment = {**unlimited, **limits, "OMP_NUM_THREADS": "1"}
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found = re.search(r"^onednn_verbose.*,cpu,isa:(.+)$", out.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError("oneDNN did not name its instructions, so the switch is unproven.")
    result = json.loads(out.stdout.splitlines()[-1]) | {"onednn": found[1]}
    avx2 = result["aten"] == "AVX2" and result["onednn"].endswith("AVX2")
    if avx2 != bool(limits):
        raise RuntimeError(f"The switch had no effect: {result['aten']}, {result['onednn']}.")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--sections", nargs="*", default=[])
    parser.add_argument("--spots", type=int, help="of each section, the first ones; by default all")
    parser.add_argument("--network", default="histospace-plus")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(train(options.cohort, options.sections, options.spots, options.network)))
        return
    results: dict[str, list[dict]] = {"all instructions": [], "AVX2": []}
    for _ in range(options.repeats):
        for name, limits in (("all instructions", {}), ("AVX2", AVX2)):
            result = child(options, limits)
            results[name].append(result)
            print(name, json.dumps(result), flush=True)
    one, other = results.values()
    print(f"{processor()}, one thread, {options.network}, {one[0]['spots']} spots")
    for stage in one[0]["steps"]:
        a, b = (median(r["steps"][stage] for r in group) for group in (one, other))
        print(f"a step, {stage}: {a:.3f} s, AVX2 {b:.3f} s, ratio {b / a:.2f}")
    a, b = (median(r["fold"] for r in group) for group in (one, other))
    ratios = [y["fold"] / x["fold"] for x, y in zip(one, other, strict=True)]
    print(f"a fold: {a:.0f} s, AVX2 {b:.0f} s, ratio {b / a:.2f}", end=" ")
    print(f"({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pairs)")


if __name__ == "__main__":
    main()
