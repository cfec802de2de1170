"""The second prediction of a comparison: a tile centred on every measured spot."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histospace_core.inference.prediction import Prediction
from histospace_core.progress import OnProgress

if TYPE_CHECKING:  # imported where it is used, because it loads torch
    from histospace_core.inference.at_spots import AtSpots
    from histospace_core.networks import ModelPackage
    from histospace_core.slides.open import Slide

LAYER = "predicted_at_spots"
"""The layer of `Comparison.spots` that holds it."""


def predict_at_run_spots(
    prediction: Prediction,
    slide: "Slide",
    model: "ModelPackage",
    centres: NDArray[np.float64],
    device: str,
    on_progress: OnProgress,
) -> "AtSpots":
    """Predict every spot of a section with the slide, model and stain of a run.

    Parameters
    ----------
    centres
        Centres of all measured spots, also of those that are not scored: they are neighbours. (n,
        2), level-0 px.

    Raises
    ------
    SlideError
        The slide is not the run's.
    ModelError
        The model is not the run's.
    """
    from histospace_core.inference.at_spots import predict_at, require_run_model, require_run_slide

    record = prediction.record
    require_run_slide(slide, record)
    require_run_model(model, record)
    return predict_at(
        slide,
        model,
        centres,
        stain=record.settings.stain,
        device=device,
        on_progress=on_progress,
    )
