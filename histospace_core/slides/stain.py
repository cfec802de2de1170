"""Stain normalisation, fitted once per slide on pooled tissue and applied to tiles."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from histospace_core.errors import SlideError, TissueError
from histospace_core.slides.illumination import (
    Floats,
    measure_luminosity,
    measure_white,
    remove_colour_cast,
    standardise_luminosity,
)
from histospace_core.slides.open import RGB, Slide
from histospace_core.slides.stain_methods import METHODS, StainDescription, optical_density
from histospace_core.slides.tissue import Tissue

STAINS = ("none", *METHODS)

TEMPLATES: dict[str, StainDescription] = {
    "vahadane": {
        "stains": [[0.711594, 0.619888, 0.330715], [0.296924, 0.833139, 0.4666]],
        "most": [3.191277, 0.854581],
    },
    "macenko": {
        "stains": [[0.75915, 0.575419, 0.304277], [0.446613, 0.787816, 0.424127]],
        "most": [2.734634, 1.467239],
    },
    "reinhard": {"mean": [57.7091, 12.2535, -21.4589], "deviation": [19.3619, 5.5583, 8.7101]},
}
"""The target stain: that of section C5 of her2st (Andersson et al. 2021, doi
10.1038/s41467-021-26271-2), as `fit_stain` with seed 0 describes it. A normalised slide looks like
the tissue that the shipped model was trained on."""

_NODES = 65  # the most that Pillow accepts
_PATCHES, _PATCH_PX, _PATCH_UM = 150, 64, 64.0
_MIN_PIXELS, _MAX_PIXELS = 2_000, 50_000
_TISSUE_DENSITY = 0.15


@dataclass(frozen=True)
class StainNormaliser:
    """Change the stain of tiles to that of the template.

    Every step maps one colour to another, regardless of neighbouring pixels. So all steps together
    are one table of 65 x 65 x 65 colours, interpolated between its nodes. A blank tile stays blank.

    Attributes
    ----------
    name : str
    parameters : dict
        Everything that determines the table; JSON-serialisable.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    table: npt.NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    def __call__(self, tiles: RGB) -> RGB:
        """Return tiles, uint8 (n, h, w, 3), normalised."""
        if self.table is None or not len(tiles):
            return tiles
        n, h, w, _ = tiles.shape
        # All tiles in one tall picture: the filter works pixel by pixel, so seams do not matter.
        column = Image.fromarray(np.ascontiguousarray(tiles).reshape(n * h, w, 3))
        changed = column.filter(ImageFilter.Color3DLUT(_NODES, self.table))
        return np.asarray(changed).reshape(n, h, w, 3).copy()  # Pillow's pixels are read-only


def fit_stain(
    name: str,
    slide: Slide,
    tissue: Tissue,
    *,
    template: StainDescription | None = None,
    seed: int = 0,
) -> StainNormaliser:
    """Fit a stain normaliser to a slide.

    Colour cast and luminosity are removed first, measured on an overview of the slide; then the
    stain is measured on patches pooled from all over the tissue.

    Parameters
    ----------
    name : {"none", "vahadane", "macenko", "reinhard"}
    slide, tissue
    template : dict, optional
        The target stain, as in `TEMPLATES`.
    seed : int
        For the choice of patches and for dictionary learning; it makes the result reproducible.

    Raises
    ------
    SlideError
        The name is unknown.
    TissueError
        Too little tissue can be read, or it shows only one stain.
    """
    if name == "none":
        return StainNormaliser("none")
    if name not in METHODS:
        raise SlideError(f"Stain {name!r} is unknown; choose one of {', '.join(STAINS)}.")
    method = METHODS[name]
    overview = slide.thumbnail(1024)
    white = measure_white(overview)
    luminosity = measure_luminosity(remove_colour_cast(overview, white))
    pixels = _pooled_tissue(slide, tissue, white, luminosity, seed)
    try:
        source = method.describe(pixels, seed)
    except ValueError:
        raise TissueError(
            "the tissue does not show two stains that can be separated",
            path=slide.path,
            remedy="predict without stain normalisation (stain none)",
        ) from None
    target = TEMPLATES[name] if template is None else template
    colours = _colours()
    standard = standardise_luminosity(remove_colour_cast(colours, white), luminosity)
    table = np.clip(method.change(standard, source, target) / 255, 0, 1).astype(np.float32)
    parameters = {
        "colour_cast_white": white.round(3).tolist(),
        "luminosity": round(luminosity, 4),
        "source": source,
        "target": target,
        "tissue_pixels": len(pixels),
        "seed": seed,
    }
    return StainNormaliser(name, parameters, table.reshape(-1))


def _colours() -> Floats:
    """Return the table's nodes (65**3, 3), 0 to 255, red running fastest as Pillow has it."""
    level = np.linspace(0, 255, _NODES)
    blue, green, red = np.meshgrid(level, level, level, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)


def _pooled_tissue(
    slide: Slide, tissue: Tissue, white: Floats, luminosity: float, seed: int
) -> Floats:
    """Return stained pixels (n, 3), free of cast, from patches all over the tissue."""
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(tissue.mask)
    chosen = rng.choice(len(rows), min(_PATCHES, len(rows)), replace=False)
    side = _PATCH_UM / slide.mpp
    pools = []
    for row, column in zip(rows[chosen], columns[chosen], strict=True):
        x = (column + 0.5) * tissue.downsample_x - side / 2  # + 0.5: the middle of the mask's pixel
        y = (row + 0.5) * tissue.downsample_y - side / 2
        try:
            patch = slide.read(float(x), float(y), side, side, _PATCH_PX, _PATCH_PX)
        except SlideError:
            continue  # the run reports unreadable tiles; too few stained pixels are refused below
        pools.append(standardise_luminosity(remove_colour_cast(patch, white), luminosity))
    pixels = np.concatenate([p.reshape(-1, 3) for p in pools]) if pools else np.empty((0, 3))
    pixels = pixels[optical_density(pixels).mean(-1) > _TISSUE_DENSITY]
    if len(pixels) < _MIN_PIXELS:
        raise TissueError(
            f"too little tissue can be read to fit the stain ({len(pixels):,} stained pixels, "
            f"at least {_MIN_PIXELS:,})",
            path=slide.path,
            remedy="predict without stain normalisation (stain none)",
        )
    # Shuffled, because dictionary learning takes the first ones, which are of a few patches.
    return rng.permutation(pixels)[:_MAX_PIXELS]
