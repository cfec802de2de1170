"""Measure what the colour profile of a slide does to its colours, predictions and time.

    python -m benchmarks.colour_profile SLIDE ... [--mpp UM] [--side PX] [--repeats 3]

Each slide is predicted with and without conversion to sRGB, by both shipped models. A JPEG or PNG
without a profile is cut to its middle square of `--side` px and gets a profile with the primaries
and gamma of Adobe RGB (1998), which is wider than that of any scanner we know: an upper bound.
"""

import argparse
import struct
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

if TYPE_CHECKING:
    from histospace_core.inference import Prediction

MODELS = ("histospace-her2st", "histospace-plus-her2st")


def wide_gamut_profile() -> bytes:
    """Return an ICC profile, version 2, with the primaries and gamma of Adobe RGB (1998)."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    name = b"Wide gamut"
    parts = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(79),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(0.9505, 1.0, 1.0891),
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0\0\0\0\x01\x02\x33"),
    }
    table, body, start = struct.pack(">I", len(parts)), b"", 132 + 12 * len(parts)
    for tag, content in parts.items():
        table += tag + struct.pack(">2I", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    light = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)  # D50
    return (head + light).ljust(128, b"\0") + table + body


def embedded(image: Path, side: int, folder: Path) -> Path:
    """Write the middle of an image with the wide profile, and return the file."""
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(image) as whole:
        left, top = (whole.width - side) // 2, (whole.height - side) // 2
        part = whole.convert("RGB").crop((left, top, left + side, top + side))
    path = folder / f"{image.stem}.png"
    part.save(path, icc_profile=wide_gamut_profile())
    return path


def measure(slide: Path, mpp: float | None, repeats: int, folder: Path) -> list[dict[str, object]]:
    """Return a row of figures for each shipped model."""
    from histospace_core.inference import open_prediction, predict_slide
    from histospace_core.networks import load_package
    from histospace_core.shipped import SHIPPED
    from histospace_core.slides.open import open_slide

    with open_slide(slide, mpp) as on, open_slide(slide, mpp, icc=False) as off:
        profile = on.properties.icc or "none"
        change = np.abs(on.thumbnail(2048).astype(int) - off.thumbnail(2048))
    rows: list[dict[str, object]] = []
    for name in MODELS:
        package = load_package(SHIPPED / "models" / name)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(repeats):
            for icc in (True, False):
                with open_slide(slide, mpp, icc=icc) as opened:
                    started = time.perf_counter()
                    predict_slide(opened, package, folder / f"{name}-{icc}-{turn}")
                    seconds[icc].append(time.perf_counter() - started)
        found = [open_prediction(folder / f"{name}-{icc}-0") for icc in (True, False)]
        rows.append(
            {
                "slide": slide.name,
                "profile": profile,
                "model": name,
                "pixels changed": f"{(change > 0).any(-1).mean():.0%}",
                "colour difference": f"{change.mean():.1f}",
                **expression_change(*found),
                "time ratio": f"{median(seconds[True]) / median(seconds[False]):.3f}",
            }
        )
    return rows


def expression_change(converted: "Prediction", stored: "Prediction") -> dict[str, object]:
    """Compare two predictions over the tiles that both have."""
    of = {tuple(centre): i for i, centre in enumerate(stored.centres)}
    pairs = [(i, of[tuple(c)]) for i, c in enumerate(converted.centres) if tuple(c) in of]
    first, second = np.array(pairs).T
    a, b = converted.matrix()[first], stored.matrix()[second]
    seen = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    a, b = a[seen].astype(float), b[seen].astype(float)
    spread = np.maximum(b.std(0), 1e-9)
    centred, other = a - a.mean(0), b - b.mean(0)
    r = (centred * other).mean(0) / np.maximum(a.std(0) * b.std(0), 1e-12)
    return {
        "tiles": len(a),
        "difference / SD": f"{(np.abs(a - b).mean(0) / spread).mean():.3f}",
        "per-gene r": f"{r.mean():.3f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("slides", nargs="+", type=Path)
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for slide in options.slides:
            folder = Path(temporary) / slide.stem
            folder.mkdir()
            flat = slide.suffix.lower() in (".jpg", ".jpeg", ".png")
            file = embedded(slide, options.side, folder) if flat else slide
            rows += measure(file, options.mpp, options.repeats, folder)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
