"""Time a cohort on one worker and on two, of one core each, and one large slide in shards.

    python -m benchmarks.cohort [--slides 20] [--side 6144] [--model histospace-plus-her2st]
        [--shard-side 0]

The command `histospace predict-cohort` runs with its process and workers held to one core, then to
two. `second slide` is the time from the call to the first encoded tiles of a slide in a process
that has predicted another one. `--shard-side 40960` adds a slide that two workers share.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.make_slide import make_slide
from histospace_core.process import usable_cores
from histospace_core.remembered import processor


def predict_cohort(slides: Sequence[Path], model: str, out: Path, workers: int) -> float:
    """Predict slides with workers of one core each; return the seconds of the whole command."""
    table = out.with_suffix(".csv")
    lines = [f"{i},{slide}" for i, slide in enumerate(slides)]
    table.write_text("\n".join(["section,image", *lines]) + "\n")
    cores = sorted(os.sched_getaffinity(0))[:workers]
    command = [sys.executable, "-m", "histospace_core", "predict-cohort", str(table)]
    command += ["--model", model, "--out", str(out), "--workers", str(workers)]
    started = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return time.perf_counter() - started


def first_tiles(slides: Sequence[Path], model: str, folder: Path) -> list[float]:
    """Return the seconds from the call to the first encoded tiles, for slides in one process."""
    from histospace_core.inference import predict_slide
    from histospace_core.networks import load_package
    from histospace_core.progress import Progress
    from histospace_core.settings import get_settings
    from histospace_core.slides.open import open_slide

    package, seconds = load_package(model, [get_settings().models]), []
    for i, slide in enumerate(slides):
        reached: list[float] = []

        def note(_: Progress, reached: list[float] = reached) -> None:
            reached.append(time.perf_counter())

        started = time.perf_counter()
        with open_slide(slide) as opened:
            predict_slide(opened, package, folder / str(i), on_progress=note)
        seconds.append(reached[0] - started)
    return seconds


def both(slides: Sequence[Path], model: str, folder: Path, name: str) -> None:
    """Print the times on one worker and on two."""
    seconds = {n: predict_cohort(slides, model, folder / f"{name}{n}", n) for n in (1, 2)}
    print(f"{name}: one worker {seconds[1]:.1f} s, two {seconds[2]:.1f} s, "
          f"{seconds[1] / seconds[2]:.2f} times as fast", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=20)
    parser.add_argument("--side", type=int, default=6144)
    parser.add_argument("--shard-side", type=int, default=0)
    parser.add_argument("--model", default="histospace-plus-her2st")
    asked = parser.parse_args()
    print(f"{processor()}, {usable_cores()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = folder / "slide0.tif"
        make_slide(first, side=asked.side)
        slides = [first]
        for i in range(1, asked.slides):
            slides.append(folder / f"slide{i}.tif")
            shutil.copyfile(first, slides[-1])
        at_start, again, third = first_tiles(slides[:3], asked.model, folder)
        print(f"to the first tiles: {at_start:.2f} s; second slide {again:.2f} s, "
              f"third {third:.2f} s", flush=True)  # fmt: skip
        both(slides, asked.model, folder, "cohort")
        if asked.shard_side:
            large = folder / "large.tif"
            make_slide(large, side=asked.shard_side)
            both([large], asked.model, folder, "shards")


if __name__ == "__main__":
    main()
