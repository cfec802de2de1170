"""Compare every reader, pixel by pixel, over TIFF files of all forms.

Run `PYTHONPATH=.:tests python benchmarks/reader_equality.py` from a checkout with the requirements
of the tests. The table that it prints is in `docs/slides.md`: for each file and reader, the largest
and mean difference from the true pixels, or that it was not read.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histospace_core.slides.open import open_slide

RGB = NDArray[np.uint8]


def ours(path: Path) -> RGB:
    with open_slide(path) as slide:
        return slide.read(0, 0, slide.width, slide.height, slide.width, slide.height)


def openslide(path: Path) -> RGB:
    import openslide
    from PIL import Image

    with openslide.OpenSlide(path) as slide:
        region = slide.read_region((0, 0), 0, slide.dimensions)
    white = Image.new("RGB", region.size, "white")
    white.paste(region, mask=region.getchannel("A"))
    return np.asarray(white)


def libvips(path: Path) -> RGB:
    import pyvips

    image = pyvips.Image.new_from_file(str(path))
    flat = image.flatten(background=[255, 255, 255]) if image.bands == 4 else image
    return np.asarray(flat.numpy(), np.uint8)


def tiffslide(path: Path) -> RGB:
    import tiffslide

    with tiffslide.TiffSlide(path) as slide:
        region = slide.read_region((0, 0), 0, slide.dimensions, as_array=True)
    return np.asarray(region, np.uint8)[..., :3]


def tifffile(path: Path) -> RGB:
    import tifffile

    return np.asarray(tifffile.imread(path), np.uint8)


READERS: dict[str, Callable[[Path], RGB]] = {
    "HistoSPACE": ours,
    "OpenSlide": openslide,
    "libvips": libvips,
    "tiffslide": tiffslide,
    "tifffile": tifffile,
}


def difference(found: RGB, expected: RGB) -> str:
    """Return the largest and the mean difference, or the shape if it is another."""
    if found.shape != expected.shape:
        return "shape " + " x ".join(map(str, found.shape))
    apart = np.abs(found.astype(int) - expected)
    return "0" if not apart.any() else f"{apart.max()} ({apart.mean():.2f})"


def as_ome_zarr(name: str, truth: RGB, folder: Path) -> str:
    """Return how the true pixels differ once written as OME-Zarr and read with our reader."""
    from builders import ome_zarr

    ome_zarr.write_ome_zarr(folder / f"{name}.zarr", truth, levels=1)
    return difference(ours(folder / f"{name}.zarr"), truth)


def row(path: Path, truth: RGB, *, lossless: bool) -> list[str]:
    """Return the cells of one file: each reader against the truth, then ours against OpenSlide."""
    read: dict[str, RGB] = {}
    cells = []
    for name, reader in READERS.items():
        try:
            read[name] = reader(path)
            cells.append(difference(read[name], truth))
        except Exception:  # each library raises its own exceptions
            cells.append("not read")
    both = "HistoSPACE" in read and "OpenSlide" in read
    same = difference(read["HistoSPACE"], read["OpenSlide"]) if both else "-"
    zarr = as_ome_zarr(path.stem, truth, path.parent) if lossless else "-"
    return [path.name, *cells, zarr, same]


def main() -> None:
    import logging

    from builders import tiff_corpus

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    header = ["file", *READERS, "as OME-Zarr", "HistoSPACE against OpenSlide"]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    with tempfile.TemporaryDirectory() as folder:
        for sample in tiff_corpus.build(Path(folder)):
            print(
                "| " + " | ".join(row(sample.path, sample.truth, lossless=sample.lossless)) + " |"
            )


if __name__ == "__main__":
    main()
