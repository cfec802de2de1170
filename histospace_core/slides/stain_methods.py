"""Three methods that describe the stain of a slide and change pixels to another stain."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.color import lab2rgb, rgb2lab

from histospace_core.slides.illumination import Floats

StainDescription = dict[str, Any]
"""JSON-serialisable. Stain separation: `stains` (2, 3), rows haematoxylin and eosin, and `most`
(2,), the 99th percentiles of their concentrations. Reinhard: `mean` and `deviation` (3,) in LAB."""

RUIFROK = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
"""Optical density of haematoxylin and eosin: Ruifrok & Johnston 2001, PMID 11531144."""


_LEARNING_PIXELS = 5_000
"""Pixels that the dictionary is learnt from, five passes: about 2 s. With more of them the vectors
differ by a few hundredths only."""


@dataclass(frozen=True)
class StainMethod:
    """How to describe the stain of pixels (n, 3), 0 to 255, and how to change it."""

    describe: Callable[[Floats, int], StainDescription]
    change: Callable[[Floats, StainDescription, StainDescription], Floats]


def optical_density(pixels: npt.ArrayLike) -> Floats:
    """Return -ln(I / 255); white is 0."""
    return -np.log(np.maximum(np.asarray(pixels, dtype=np.float64), 1) / 255)


def concentrations(density: Floats, stains: Floats) -> Floats:
    """Return the non-negative least-squares amounts (n, 2) of two stains (2, 3) in (n, 3).

    With two stains the solution has a closed form: if one amount is negative, it is set to 0 and
    the other is the projection onto its stain.
    """
    gram, projected = stains @ stains.T, density @ stains.T
    both = projected @ np.linalg.inv(gram)
    alone = np.maximum(projected / np.diag(gram), 0)
    both[both[:, 0] < 0] = np.stack([0 * alone[:, 1], alone[:, 1]], 1)[both[:, 0] < 0]
    lacking = both[:, 1] < 0
    both[lacking] = np.stack([alone[:, 0], 0 * alone[:, 0]], 1)[lacking]
    return both


def _separation(pixels: Floats, stains: Floats) -> StainDescription:
    """Order two stain vectors, haematoxylin (more red absorbed) first, and measure their amounts.

    Raises
    ------
    ValueError
        The two coincide or one is absent: the tissue shows only one stain.
    """
    stains = np.abs(stains) / np.maximum(np.linalg.norm(stains, axis=1, keepdims=True), 1e-9)
    stains = stains[np.argsort(-stains[:, 0], kind="stable")]
    # The cosine of 2.6 degrees.
    if stains[0] @ stains[1] > 0.999 or not stains.any(1).all():
        raise ValueError("one stain only")
    # Macenko's pseudo-maximum: a few dark pixels must not set the scale.
    most = np.percentile(concentrations(optical_density(pixels), stains), 99, axis=0)
    if most.min() < 1e-2:
        raise ValueError("one stain only")
    return {"stains": stains.round(6).tolist(), "most": most.round(6).tolist()}


def describe_vahadane(pixels: Floats, seed: int) -> StainDescription:
    """Separate stains by sparse non-negative dictionary learning (Vahadane et al. 2016).

    doi 10.1109/TMI.2016.2529665. Learning starts from Ruifrok's vectors, so that it converges to
    haematoxylin and eosin and not to a mixture of them. The sparsity is 0.05: at the paper's 0.1
    the two vectors of a weakly eosinophilic tissue (mouse olfactory bulb) almost coincide.
    """
    from sklearn.decomposition import MiniBatchDictionaryLearning
    from sklearn.exceptions import ConvergenceWarning

    learning = MiniBatchDictionaryLearning(
        n_components=2,
        alpha=0.05,
        max_iter=5,
        tol=0.0,  # with the next line: no early stop
        max_no_improvement=None,
        batch_size=256,
        fit_algorithm="cd",
        positive_code=True,
        positive_dict=True,
        dict_init=RUIFROK,
        random_state=seed,
    )
    with warnings.catch_warnings():  # a few pixels stop within 1e-7 of the optimum
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        learning.fit(optical_density(pixels[:_LEARNING_PIXELS]))
    return _separation(pixels, learning.components_)


def describe_macenko(pixels: Floats, seed: int) -> StainDescription:
    """Separate stains by the extreme angles in the plane of most variance (Macenko et al. 2009).

    doi 10.1109/ISBI.2009.5193250, by torchstain.
    """
    from torchstain.numpy.normalizers.macenko import NumpyMacenkoNormalizer

    macenko = NumpyMacenkoNormalizer()
    macenko.fit(pixels, Io=255)  # the cast is removed, so glass is not at torchstain's 240
    return _separation(pixels, macenko.HERef.T)


def change_stains(pixels: Floats, source: StainDescription, target: StainDescription) -> Floats:
    """Replace the stain vectors; scale the amounts by the ratio of the two `most`."""
    amounts = concentrations(optical_density(pixels), np.asarray(source["stains"]))
    amounts *= np.asarray(target["most"]) / np.asarray(source["most"])
    return 255 * np.exp(-amounts @ np.asarray(target["stains"]))


def describe_reinhard(pixels: Floats, seed: int) -> StainDescription:
    """Return mean and deviation of the colour in CIELAB (Reinhard et al. 2001).

    doi 10.1109/38.946629.
    """
    lab = rgb2lab(pixels / 255)
    deviation = np.maximum(lab.std(0), 1e-3)
    return {"mean": lab.mean(0).round(4).tolist(), "deviation": deviation.round(4).tolist()}


def change_reinhard(pixels: Floats, source: StainDescription, target: StainDescription) -> Floats:
    """Shift and stretch colours in CIELAB; glass keeps its colour.

    Pixels with an optical density below 0.05 are unchanged, those above 0.15 fully changed; in
    between the change increases linearly.
    """
    lab = (rgb2lab(pixels / 255) - source["mean"]) / source["deviation"]
    lab = lab * target["deviation"] + target["mean"]
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    with warnings.catch_warnings():  # clipping colours outside the gamut is intended
        warnings.filterwarnings("ignore", message="Conversion from CIE-LAB", category=UserWarning)
        changed = np.clip(lab2rgb(lab), 0, 1) * 255
    weight = np.clip((optical_density(pixels).mean(-1, keepdims=True) - 0.05) / 0.1, 0, 1)
    return weight * changed + (1 - weight) * pixels


METHODS = {
    "vahadane": StainMethod(describe_vahadane, change_stains),
    "macenko": StainMethod(describe_macenko, change_stains),
    "reinhard": StainMethod(describe_reinhard, change_reinhard),
}
