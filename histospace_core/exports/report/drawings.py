"""The figures of a report: JPEG if they show the slide, otherwise PNG.

The same run always gives the same bytes.
"""

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure

from histospace_core.comparison.compare import Comparison
from histospace_core.figures.canvas import Canvas, bar_length_um, length_label, view_box
from histospace_core.figures.colours import INSIDE, NEUTRAL, OUT_OF_DOMAIN, OUTSIDE, robust_limits
from histospace_core.figures.comparison import shared_limits
from histospace_core.figures.grid import tile_grid
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, Prediction

DPI: Final = 144
#: Eight colours that colour-blind people can tell apart (Okabe and Ito 2008), yellow last.
DOMAIN_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1", "#f0e442",
)  # fmt: skip
_INK = "#2a2433"


def overview(prediction: Prediction) -> bytes | None:
    """Draw the whole slide with a frame around the predicted tissue."""
    slide = prediction.record.slide
    if prediction.overview is None:
        return None
    figure, axes = _axes(5.2, (0.0, 0.0, slide.width, slide.height))
    _lay_slide(axes, prediction)
    x0, y0, x1, y1 = _view(prediction)
    axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=OUTSIDE, lw=1)
    _scale_bar(axes, prediction.mpp)
    return _jpeg(figure)


def gene_map(prediction: Prediction, gene: str, unit: str) -> bytes:
    """Draw one gene as tiles of true size; tiles that are out of domain are grey."""
    values = prediction.gene(gene).astype(np.float64)
    out_of_domain = prediction.obs["domain_score"].to_numpy() > OUT_OF_DOMAIN_SCORE
    figure, axes = _axes(3.3, _view(prediction), foot=0.62)
    _lay_slide(axes, prediction)
    low, high = robust_limits(values)
    shown = _lay_tiles(
        axes, prediction, np.where(out_of_domain, np.nan, values), "viridis", low, high
    )
    if out_of_domain.any():
        _lay_tiles(
            axes, prediction, np.where(out_of_domain, 0.0, np.nan), ListedColormap([OUT_OF_DOMAIN])
        )
    _scale_bar(axes, prediction.mpp)
    _colour_bar(figure, axes, shown, f"{gene}, {unit}")
    return _jpeg(figure)


def domain_colour(number: int) -> str:
    """Return the colour of a domain; numbers begin at 0."""
    return DOMAIN_COLOURS[number % len(DOMAIN_COLOURS)]


def domain_map(prediction: Prediction, labels: pd.Series, names: Sequence[str]) -> bytes:
    """Draw the domain of each tile in `DOMAIN_COLOURS`; a tile without a domain is transparent."""
    order = {name: i for i, name in enumerate(names)}
    number = labels.reindex(prediction.obs.index).map(order).to_numpy(dtype=np.float64)
    colours = [domain_colour(i) for i in range(len(names))]
    figure, axes = _axes(4.6, _view(prediction))
    _lay_slide(axes, prediction)
    _lay_tiles(axes, prediction, number, ListedColormap(colours), -0.5, len(names) - 0.5)
    _scale_bar(axes, prediction.mpp)
    return _jpeg(figure)


def reliability(var: pd.DataFrame) -> bytes:
    """Draw the distribution of held-out r over genes, with the mean profile marked."""
    figure = Figure(figsize=(7.0, 2.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=8)
    r, reliable = var["held_out_pearson"], var["reliable"].to_numpy(bool)
    finite = r.notna().to_numpy()
    edges = np.histogram_bin_edges(np.append(r[finite], 0.0), 40)  # the axis shows 0
    axes.hist(
        [r[finite & reliable], r[finite & ~reliable]],
        bins=edges.tolist(),
        stacked=True,
        color=[OUTSIDE, NEUTRAL],
        label=["reliable", "unreliable"],
    )
    axes.axvline(0, color=INSIDE, lw=1.2, ls=":", label="mean profile, no image: 0")
    axes.set_xlabel("held-out per-gene r", fontsize=8)
    axes.set_ylabel("genes", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return _png(figure)


def calibration(curve: Sequence[Sequence[float]]) -> bytes:
    """Draw the share of held-out values in their interval against the promised share."""
    figure = Figure(figsize=(2.9, 2.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=8)
    nominal, measured = zip(*curve, strict=True)
    axes.plot([0, 1], [0, 1], color=NEUTRAL, lw=1.2, ls=":", label="as promised")
    axes.plot(nominal, measured, color=OUTSIDE, marker="o", ms=4, lw=1.5, label="measured")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("promised share", fontsize=8)
    axes.set_ylabel("share in the interval", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return _png(figure)


def compared_maps(prediction: Prediction, comparison: Comparison, gene: str, unit: str) -> bytes:
    """Draw measured and predicted spots of one gene on one colour scale, and a scatter plot."""
    column = comparison.spots.var_names.get_loc(gene)
    pair = [
        np.asarray(comparison.spots.layers[layer][:, column], np.float32).ravel()
        for layer in ("measured", "predicted")
    ]
    low, high = shared_limits(*pair)
    centres = np.asarray(comparison.spots.obsm["spatial"])
    view = _view(prediction, centres)
    figure = Figure(figsize=(7.0, 1.0 + 2.4 * _shape(view)), dpi=DPI, layout="constrained")
    *maps, dots = figure.subplots(1, 3, width_ratios=[1, 1, 0.8])
    for axes, values, name in zip(maps, pair, ("measured", "predicted"), strict=True):
        _frame(axes, view)
        _lay_slide(axes, prediction, faded=True)
        spots = EllipseCollection(  # `scatter` sizes are in points, these in level-0 px
            [prediction.tile_level0] * len(centres),
            [prediction.tile_level0] * len(centres),
            np.zeros(len(centres)),
            units="xy",
            offsets=centres,
            offset_transform=axes.transData,
            cmap="viridis",
        )
        spots.set_array(values)
        spots.set_clim(low, high)
        axes.add_collection(spots)
        axes.set_title(f"{gene}, {name}", fontsize=8, pad=4)
        _scale_bar(axes, prediction.mpp)
    bar = figure.colorbar(spots, ax=maps, location="bottom", shrink=0.5, aspect=30, pad=0.02)
    bar.set_label(unit, fontsize=7)
    bar.ax.tick_params(labelsize=7)
    dots.scatter(*pair, s=5, color=OUTSIDE, alpha=0.5, linewidths=0)
    ends = [min(map(np.min, pair)), max(map(np.max, pair))]
    dots.plot(ends, ends, ":", color=NEUTRAL, lw=1)
    dots.set_xlabel("measured", fontsize=8)
    dots.set_ylabel("predicted", fontsize=8)
    dots.tick_params(labelsize=7)
    dots.spines[["top", "right"]].set_visible(False)
    return _jpeg(figure)


def _view(
    prediction: Prediction, centres: npt.NDArray[np.float64] | None = None
) -> tuple[float, float, float, float]:
    """Return the part of the slide to show: the tiles, or `centres`, with a margin."""
    slide = prediction.record.slide
    canvas = Canvas(slide.width, slide.height, prediction.mpp)
    shown = prediction.centres if centres is None else centres
    return view_box(canvas, shown, prediction.tile_level0)


def _shape(view: tuple[float, float, float, float]) -> float:
    """Return height over width of a view, limited to what fits on a page."""
    return min(max((view[3] - view[1]) / (view[2] - view[0]), 0.4), 1.6)


def _axes(
    width: float, view: tuple[float, float, float, float], foot: float = 0.0
) -> tuple[Figure, Axes]:
    """Return axes of `width` inches in the shape of the view, with `foot` inches below them."""
    height = width * _shape(view) + foot
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.add_axes((0.0, foot / height, 1.0, 1 - foot / height))
    _frame(axes, view)
    return figure, axes


def _frame(axes: Axes, view: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = view
    axes.set(xlim=(x0, x1), ylim=(y1, y0), aspect="equal", autoscale_on=False)  # y points down
    axes.set_axis_off()


def _lay_slide(axes: Axes, prediction: Prediction, *, faded: bool = False) -> None:
    slide = prediction.record.slide
    if prediction.overview is not None:
        axes.imshow(
            prediction.overview,
            extent=(0, slide.width, slide.height, 0),
            interpolation="lanczos",
            alpha=0.45 if faded else 1.0,
        )
        axes.set_aspect("equal")


def _lay_tiles(
    axes: Axes,
    prediction: Prediction,
    values: npt.NDArray[np.float64],
    colours: Any,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    stride = float(prediction.record.tiles.stride_level0_px)
    grid = tile_grid(prediction.centres, prediction.tile_level0, stride)
    return axes.pcolormesh(
        grid.x_edges,
        grid.y_edges,
        np.ma.masked_invalid(grid.fill(values)),
        cmap=colours,
        vmin=low,
        vmax=high,
        alpha=0.75,
        linewidth=0,
        antialiased=False,  # else tiles have visible edges
    )


def _scale_bar(axes: Axes, mpp: float) -> None:
    (x0, x1), (y1, y0) = axes.get_xlim(), axes.get_ylim()
    length_um = bar_length_um((x1 - x0) * mpp)
    x, y = x0 + 0.04 * (x1 - x0), y1 - 0.05 * (y1 - y0)
    axes.plot([x, x + length_um / mpp], [y, y], color=_INK, lw=2.5, solid_capstyle="butt")
    axes.text(
        x,
        y - 0.015 * (y1 - y0),
        length_label(length_um),
        color=_INK,
        fontsize=8,
        va="bottom",
        bbox={"facecolor": to_rgba("white", 0.75), "edgecolor": "none", "pad": 0.8},
    )


def _colour_bar(figure: Figure, axes: Axes, shown: Any, label: str) -> None:
    place = axes.get_position()
    room = figure.add_axes((0.15, place.y0 * 0.68, 0.7, place.y0 * 0.16))
    bar = figure.colorbar(shown, cax=room, orientation="horizontal", extend="both")
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.set_label(label, fontsize=9, labelpad=1)
    bar.ax.tick_params(labelsize=8, pad=1)


def _jpeg(figure: Figure) -> bytes:
    """Return a figure that shows the slide; as PNG it would be four times as large."""
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", pil_kwargs={"quality": 90, "subsampling": 0})  # sharp tiles
    return file.getvalue()


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
