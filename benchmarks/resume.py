"""Kill runs at random moments; check that each ends in the same store, and measure the cost.

    python -m benchmarks.resume [--slide SLIDE] [--kills 20] [--model models/histospace-her2st]

One run is undisturbed. Each of the others is killed with SIGKILL at a uniformly random moment
and started again with the same command. Its store must equal the undisturbed one, value
for value. The cost is the time of both attempts minus that of the undisturbed run; it includes
starting the interpreter a second time. Without --slide, a slide of 20,480 px a side is made.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def start(slide: Path, model: Path, run: Path) -> subprocess.Popen[bytes]:
    """Start `histospace predict` in a separate process."""
    command = [sys.executable, "-m", "histospace_core", "predict", str(slide)]
    command += ["--model", str(model), "--out", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def same(a: Path, b: Path) -> bool:
    """Return whether two runs have the same expression and the same table of tiles."""
    import numpy as np

    from histospace_core.inference import open_prediction

    one, other = open_prediction(a), open_prediction(b)
    return np.array_equal(one.matrix(), other.matrix(), equal_nan=True) and one.obs.equals(
        other.obs
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--model", type=Path, default=Path("models/histospace-her2st"))
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args()
    from benchmarks.make_slide import make_slide

    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide = asked.slide or make_slide(folder / "slide.tif")
        began = time.monotonic()
        if start(slide, asked.model, folder / "whole").wait():
            sys.exit("The undisturbed run failed.")
        seconds = time.monotonic() - began
        print(f"undisturbed: {seconds:.1f} s")
        costs, equal, kept = [], 0, []
        for kill in range(asked.kills):
            run, began = folder / f"killed{kill}", time.monotonic()
            first = start(slide, asked.model, run)
            time.sleep(chance.uniform(0, seconds))
            first.kill()
            first.wait()
            finished = (run / "prediction.zarr").exists()
            if not finished and start(slide, asked.model, run).wait():
                sys.exit(f"Run {kill} did not resume.")
            costs.append(time.monotonic() - began - seconds)
            timings = json.loads((run / "run.json").read_text("utf-8"))["timings"]
            kept.append(timings["tiles_from_earlier_attempt"])
            equal += same(folder / "whole", run)
        print(
            f"{equal} of {asked.kills} killed runs equal the undisturbed one; "
            f"tiles kept from the first attempt: {sorted(kept)}; "
            f"cost {median(costs):.1f} s (median), {max(costs):.1f} s at most"
        )
        sys.exit(0 if equal == asked.kills else 1)


if __name__ == "__main__":
    main()
