"""Check the times that a prediction is said to take, before it and during it, on real runs.

    python -m benchmarks.estimates [--slide SLIDE] [--model models/histospace-plus-her2st]
        [--strides 25,10,5] [--first] [--log]

The slide is predicted with each distance between the tiles, um, in the order given; by default it
is the sample. A line of the table tells what was said before the run from the runs above it, what
was said ten seconds after the first progress and what was then left, the share of those seconds by
which it was wrong, and what the run took. `--log` prints the same each second. The memory of
earlier runs is empty at first; without `--first`, a run that is not shown fills it, so that the
network's fastest form is known. Other work on the machine changes its pace, and then no estimate
can be right.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

Said = list[tuple[float, float | None]]
AT_S = 10.0


def predict(slide: Path, model: Path, stride_um: float, out: Path) -> tuple[object, Said, float]:
    """Predict a slide; return its record, what was said and when, and the seconds it took."""
    from histospace_core.inference import predict_slide
    from histospace_core.networks import load_package
    from histospace_core.progress import Progress
    from histospace_core.slides.open import open_slide

    said: Said = []

    def note(event: Progress) -> None:
        said.append((time.monotonic(), event.seconds_left))

    began = time.monotonic()
    with open_slide(slide) as opened:
        run = predict_slide(opened, load_package(model), out, stride_um=stride_um, on_progress=note)
    ended = time.monotonic()
    first = said[0][0]
    since = [(at - first, left) for at, left in said]
    return run.record, [*since, (ended - first, 0.0)], ended - began


def at(said: Said, moment: float) -> float | None:
    """Return what stood on the screen at a moment, s after the first progress."""
    return [left for when, left in said if when <= moment][-1]


def wrong_by(said: Said, moment: float) -> str:
    """Return what was told at a moment, what was left then, and the share it was wrong by."""
    told, left = at(said, moment), said[-1][0] - moment
    if left <= 0:
        return f"{'ended':>9}"
    if told is None:
        return f"{'nothing':>9} {left:>9.1f}"
    return f"{told:>9.1f} {left:>9.1f} {told / left - 1:>+9.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--model", type=Path, default=Path("models/histospace-plus-her2st"))
    parser.add_argument("--strides", default="25,10,5")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--log", action="store_true")
    asked = parser.parse_args()
    strides = [float(stride) for stride in asked.strides.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HISTOSPACE_STORE"] = str(folder / "store")
        run_all(asked, strides, folder)


def run_all(asked: argparse.Namespace, strides: list[float], folder: Path) -> None:
    from histospace_core.catalog import Catalog, Kind
    from histospace_core.inference.record import RunRecord
    from histospace_core.sample import make_phantom
    from histospace_core.web.predict.preview import expected_seconds

    slide = asked.slide or make_phantom(folder / "sample").image
    catalog = Catalog(f"sqlite:///{folder / 'catalog.db'}")
    catalog.migrate()
    if not asked.first:
        predict(slide, asked.model, 50.0, folder / "unshown")
    print(f"{'stride':>6} {'tiles':>9} {'before':>9} {'took':>9}   {'at 10 s':>9} {'left':>9}")
    for i, stride in enumerate(strides):
        record, said, took = predict(slide, asked.model, stride, folder / f"run{i}")
        assert isinstance(record, RunRecord)
        n, name = record.tiles.total, record.model.name
        before = expected_seconds(catalog, name, n, record.settings.stride_um)
        print(f"{stride:>6g} {n:>9,} {before:>9.1f} {took:>9.1f}   {wrong_by(said, AT_S)}")
        for second in range(int(said[-1][0]) + 1) if asked.log else ():
            print(f"{second:>6} s {wrong_by(said, float(second))}")
        run = catalog.add_run(None, name, {}, runs_dir=folder, kind=Kind.PREDICT)
        catalog.claim(run.id, "the benchmark")
        catalog.finish(run.id, attempt=1, record=record)
    catalog.close()


if __name__ == "__main__":
    main()
