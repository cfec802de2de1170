"""The sample that needs no download: a procedural H&E section with matching "measured" counts."""

import gzip
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyvips
from numpy.typing import NDArray

from histospace_core.errors import StoreError
from histospace_core.files import move_into_place, sha256
from histospace_core.sample.histology import COARSE, REGIONS, Histology, lay_out
from histospace_core.sample.painting import paint
from histospace_core.sample.profiles import draw_counts, expected_expression, expression_profiles

LABEL = "phantom, not patient tissue"
VERSION = 1  # raise it when the same seed no longer gives the same files
MPP = 0.69  # as in her2st
SIZE = (4800, 4400)
SPACING_UM, SPOT_UM = 200.0, 100.0
IMAGE, COUNTS, SPOTS, TRUTH = (
    "phantom_section.ome.tif",
    "phantom_counts.tsv.gz",
    "phantom_spots.tsv",
    "phantom_truth.csv.gz",
)
MANIFEST = "phantom.json"


@dataclass(frozen=True)
class Phantom:
    """A phantom on disk.

    Attributes
    ----------
    image : pyramidal OME-TIFF with its pixel size.
    counts, spots : legacy ST files, as `read_measured(counts, spots)` takes them.
    mpp : pixel size, um per px.
    truth : spots x genes, the expected counts per 10,000 that the counts were drawn from; index
        `XxY` as in `counts`.
    composition : spots x regions (tumour, stroma, immune, fat), shares of the spot's area.
    label : text to show wherever the sample is shown.
    """

    image: Path
    counts: Path
    spots: Path
    mpp: float
    truth: pd.DataFrame
    composition: pd.DataFrame
    label: str = LABEL


def make_phantom(folder: str | Path, seed: int = 0) -> Phantom:
    """Make the phantom in `folder`, or return the one that exists there.

    The same seed gives the same section. Each file appears complete or not at all; if a file was
    changed or deleted, all are made again.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    folder = Path(folder)
    if not _is_complete(folder, seed):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".phantom-", dir=folder) as work:
                _make(Path(work), seed)
                (folder / MANIFEST).unlink(missing_ok=True)  # it vouches for the old files
                # The manifest moves last, because it vouches for the other files.
                for name in (IMAGE, COUNTS, SPOTS, TRUTH, MANIFEST):
                    move_into_place(Path(work) / name, folder / name)
        except (OSError, pyvips.Error) as error:
            raise StoreError(
                f"{folder.name}: the sample cannot be written ({str(error).splitlines()[0]}); free "
                "some disk space or choose another folder."
            ) from error
    table = pd.read_csv(folder / TRUTH, index_col=0)
    composition = table[list(REGIONS)]
    truth = table.drop(columns=list(REGIONS))
    return Phantom(folder / IMAGE, folder / COUNTS, folder / SPOTS, MPP, truth, composition)


def _make(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout = lay_out(rng, SIZE)
    image = paint(rng, layout)
    spots = _place_spots(layout)
    composition = _composition(layout, spots)
    expected = expected_expression(composition, expression_profiles(rng))
    counts = draw_counts(rng, expected, composition)

    _write_image(image, folder / IMAGE)
    spots.to_csv(folder / SPOTS, sep="\t", index=False, lineterminator="\n")
    table = pd.DataFrame(counts, index=composition.index, columns=expected.columns)
    _write_gzip(table.to_csv(sep="\t", lineterminator="\n"), folder / COUNTS)
    truth = composition.join(1e4 * expected).round(5)
    _write_gzip(truth.to_csv(lineterminator="\n"), folder / TRUTH)
    files = {name: sha256(folder / name) for name in (IMAGE, COUNTS, SPOTS, TRUTH)}
    manifest = {"label": LABEL, "version": VERSION, "seed": seed, "mpp": MPP, "sha256": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _place_spots(layout: Histology) -> pd.DataFrame:
    """Return the spot table: a square grid 200 um apart, spots at least half on tissue."""
    step = SPACING_UM / MPP
    width, height = layout.size
    y, x = np.mgrid[1 : int(height / step) + 1, 1 : int(width / step) + 1]
    spots = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    spots["new_x"], spots["new_y"] = spots["x"].astype(float), spots["y"].astype(float)
    spots["pixel_x"] = ((spots["x"] - 0.4) * step).round(2)
    spots["pixel_y"] = ((spots["y"] - 0.4) * step).round(2)
    spots["selected"] = 1
    on = [_disc(layout.tissue, at).mean() >= 0.5 for at in spots[["pixel_x", "pixel_y"]].to_numpy()]
    return spots[on].reset_index(drop=True)


def _composition(layout: Histology, spots: pd.DataFrame) -> pd.DataFrame:
    centres = spots[["pixel_x", "pixel_y"]].to_numpy()
    shares = pd.DataFrame(
        {name: [_disc(layout.regions[name], at).mean() for at in centres] for name in REGIONS},
        index=pd.Index([f"{x}x{y}" for x, y in zip(spots["x"], spots["y"], strict=True)]),
    )
    return shares.div(shares.sum(axis=1), axis=0)


def _disc(field: NDArray, centre: NDArray[np.float64]) -> NDArray:
    """Return the values of a coarse field under a spot."""
    radius = SPOT_UM / MPP / 2 / COARSE
    column, row = centre / COARSE
    rows = np.arange(max(0, int(row - radius)), min(field.shape[0], int(row + radius) + 2))
    columns = np.arange(max(0, int(column - radius)), min(field.shape[1], int(column + radius) + 2))
    # + 0.5: a value lies at the centre of its coarse pixel.
    inside = np.hypot(rows[:, None] + 0.5 - row, columns + 0.5 - column) <= radius
    return field[np.ix_(rows, columns)][inside]


def _write_image(image: NDArray[np.uint8], path: Path) -> None:
    height, width = image.shape[:2]
    picture = pyvips.Image.new_from_array(image).copy(interpretation="srgb")
    picture.set_type(pyvips.GValue.gstr_type, "image-description", _ome(width, height))
    picture.tiffsave(
        str(path),
        tile=True,
        tile_width=256,
        tile_height=256,
        pyramid=True,
        subifd=True,  # where OME-TIFF keeps the levels of a pyramid
        compression="jpeg",
        Q=88,
    )


def _ome(width: int, height: int) -> str:
    """Return OME-XML with the size, the pixel size and the label."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name="{escape(LABEL)}"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" SizeY="{height}" SizeC="3" SizeZ="1" '
        f'SizeT="1" PhysicalSizeX="{MPP}" PhysicalSizeXUnit="µm" PhysicalSizeY="{MPP}" '
        'PhysicalSizeYUnit="µm"><Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/>'
        "</Pixels></Image></OME>"
    )


def _write_gzip(text: str, path: Path) -> None:
    path.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))  # no time: equal bytes


def _is_complete(folder: Path, seed: int) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return (manifest["version"], manifest["seed"]) == (VERSION, seed) and all(
            sha256(folder / name) == digest for name, digest in manifest["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
