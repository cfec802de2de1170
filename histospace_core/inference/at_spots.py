"""Predict at given spots: a tile centred on each, as the model saw them in training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histospace_core.errors import ModelError, SlideError
from histospace_core.inference.record import RunRecord
from histospace_core.inference.stream import encode_chunks
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.open import Slide, open_slide
from histospace_core.slides.patches import groups
from histospace_core.slides.stain import fit_stain
from histospace_core.slides.tiles import BlockTiles, BlockWindows, cut_spot_windows, cut_spots
from histospace_core.slides.tissue import find_tissue

_BATCH, _CHUNK = 32, 32  # spots that are read together, and batches that a GPU encodes together


@dataclass(frozen=True)
class AtSpots:
    """Expression predicted at spots.

    Attributes
    ----------
    expression : float32 array (n, G)
        In the model's unit; NaN where the tile cannot be read.
    readable : bool array (n,)
    """

    expression: NDArray[np.float32]
    readable: NDArray[np.bool_]


@dataclass(frozen=True)
class _Spots:
    """Some spots: their numbers among all, and their centres (n, 2), level-0 px."""

    rows: NDArray[np.intp]
    centres: NDArray[np.float64]

    @property
    def n_tiles(self) -> int:
        return len(self.centres)


def predict_at(
    slide: Slide,
    model: ModelPackage,
    centres: NDArray[np.float64],
    *,
    stain: str = "none",
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> AtSpots:
    """Predict a tile centred on each spot of a section, with the plain network in fp32.

    It is what `histospace evaluate` does for a held-out section: the tiles are cut alike, and a
    model that averages neighbours (HistoSPACE+) averages spots with spots. A map averages tiles
    with tiles, which lie closer together; without this average, its value at the same centre is
    the same.

    Parameters
    ----------
    slide
        Open, with a known pixel size.
    centres
        Centres of all spots of the section, (n, 2), level-0 px.
    stain
        Stain normalisation, fitted on the slide's tissue.
    device
        "auto", "cpu" or "cuda".

    Raises
    ------
    SlideError
        No tile can be read.
    TissueError
        The stain cannot be fitted.
    """
    normalise = fit_stain(stain, slide, find_tissue(slide)) if stain != "none" else None
    centres = np.asarray(centres, np.float64)
    done = 0

    def read(spots: _Spots) -> BlockTiles | BlockWindows:
        tiles: BlockTiles | BlockWindows
        if predict.dense:
            tiles = cut_spot_windows(slide, spots.centres, model.views)
        else:
            tiles = cut_spots(slide, spots.centres, model.views, model.margin_um)
        return tiles if normalise is None else tiles.recoloured(normalise)

    def on_tiles(n: int) -> None:
        nonlocal done
        done += n
        on_progress(Progress(done, len(centres), "predicting at the spots"))

    with Predictor(model, device) as predict:
        every = np.arange(len(centres))
        # those that share patches are read together
        together = (
            groups(centres, slide.mpp) if predict.dense else np.split(every, every[_BATCH::_BATCH])
        )
        batches = [_Spots(rows, centres[rows]) for rows in together]
        chunks = [batches[i : i + _CHUNK] for i in range(0, len(batches), _CHUNK)]
        parts = list(encode_chunks(chunks, read, predict, on_tiles))
        back = np.argsort(np.concatenate([batch.rows for batch in batches]))
        codes = np.concatenate([part.codes for part in parts])[back]
        readable = np.concatenate([part.columns["readable"] for part in parts]).astype(bool)[back]
        if not readable.any():
            raise SlideError(
                f"none of the tiles at {len(centres):,} spots can be read",
                path=slide.path,
                remedy="the file is damaged: export or copy it again",
            )
        smoothed = predict.smooth(lambda: codes, centres * slide.mpp, readable)
        codes = codes if smoothed is None else smoothed
        expression = np.empty((len(codes), len(model.genes)), np.float32)
        for start in range(0, len(codes), _BATCH * _CHUNK):
            rows = slice(start, start + _BATCH * _CHUNK)
            expression[rows] = predict.expression(codes[rows])
    return AtSpots(expression, readable)


def open_run_slide(path: Path, record: RunRecord) -> Slide:
    """Open the slide of a run as the run read it: pixel size, series and colour profile.

    Raises
    ------
    SlideError
        The file is not the slide of this run.
    """
    was = record.slide
    _require_content(path, slide_sha256(path), record)  # before a reader trusts the file
    mpp = was.mpp if was.mpp_source == "user" else None
    return open_slide(path, mpp, series=was.series or None, icc=bool(was.icc))


def require_run_slide(slide: Slide, record: RunRecord) -> None:
    """Refuse a slide that is not the one of a run, or is not read as the run read it.

    Raises
    ------
    SlideError
    """
    was, now = record.slide, slide.properties
    _require_content(slide.path, slide.sha256(), record)
    if (slide.mpp, now.series, now.icc) != (was.mpp, was.series, was.icc):
        raise SlideError(
            f"the run read this slide at {was.mpp:g} um/px, series '{was.series}' and colour "
            f"profile '{was.icc}', and now it is read at {slide.mpp:g} um/px, series "
            f"'{now.series}' and colour profile '{now.icc}'",
            path=slide.path,
            remedy="open it with the settings of the run",
        )


def _require_content(path: Path, sha256: str, record: RunRecord) -> None:
    if sha256 != record.slide.sha256:
        raise SlideError(
            f"this is not the slide that the run predicted ('{record.slide.name}'): their contents "
            "differ",
            path=path,
            remedy="give the file that was predicted, unchanged",
        )


def require_run_model(model: ModelPackage, record: RunRecord) -> None:
    """Refuse a model that is not the one of a run.

    Raises
    ------
    ModelError
    """
    if model.sha256 != record.model.sha256:
        raise ModelError(
            f"The model '{model.name}' has changed since this run was made; predict the slide "
            "again, or compare without the slide."
        )
