"""The interval of a gene: of expression itself, or of a measurement at a chosen depth."""

from typing import Any

import numpy as np
import streamlit as st

from histospace_core.inference import Prediction
from histospace_core.uncertainty import PROMISED
from histospace_core.web.widgets.parts import plain

ITSELF = "expression itself"
DEPTHS = (500, 1_000, 2_000, 5_000, 10_000, 20_000)
"""Total counts of a spot: from sparse legacy arrays to deep Visium."""
_POINTS = 65


def depth_name(depth: int | None) -> str:
    """Return the name of a depth on the slider."""
    return ITSELF if depth is None else f"{depth:,} counts"


def chosen_depth(run_id: str) -> int | None:
    """Return the total counts that the user chose; None for expression itself."""
    depth = st.session_state.get(_key(run_id))
    return depth if depth in DEPTHS else None


def depth_slider(run_id: str, prediction: Prediction, gene: str) -> None:
    """Let the user choose what the interval is for, and say what it is in the median tile."""
    table = interval_table(prediction, gene, chosen_depth(run_id))
    if table is None:
        return
    st.select_slider(
        f"{PROMISED:.0%} interval for",
        (None, *DEPTHS),
        format_func=depth_name,
        key=_key(run_id),
        help="Expression itself: where the gene's true level in a tile lies, for a patient whom "
        "the model never saw. Counts: where a measurement of a spot with so many counts would lie; "
        "counting adds noise, and the fewer counts, the more. The level of the whole slide comes "
        "from patients who were counted, not from the image. Point at the map to read the "
        "interval of a tile.",
    )
    middle = float(np.nanmedian(prediction.gene(gene)))
    low, high = (np.interp(middle, table["values"], table[end]) for end in ("low", "high"))
    depth = chosen_depth(run_id)
    what = "the true value" if depth is None else f"a measurement of {depth:,} counts"
    where = f"Where {plain(gene)} is predicted as {middle:.2f}, the median of this map, {what}"
    if high == 0:
        st.markdown(f"{where} is **0**: so few counts seldom hold this gene.")
    else:
        st.markdown(f"{where} lies between **{low:.2f}** and **{high:.2f}**.")
    if not low <= middle <= high:
        st.markdown(
            "The map lies outside: an image hardly tells how high a gene is on the whole slide, so "
            "the interval takes that from patients who were counted, and from the map only how "
            "tiles differ."
        )
    st.caption(plain(prediction.record.model.metrics["interval"]["promise"]))


def interval_table(prediction: Prediction, gene: str, depth: int | None) -> dict[str, Any] | None:
    """Return the ends of the interval over predicted values; None if the model states none.

    Returns
    -------
    dict
        `values`, rising, and `low` and `high` at each, in the expression unit; `what` names it.
    """
    if prediction.predictive is None:
        return None
    place = np.array([prediction.genes.index(gene)])
    predictive = prediction.predictive.of(place)
    values = prediction.gene(gene)
    if not np.isfinite(predictive.level.sd).all() or not np.isfinite(values).any():
        return None
    grid = np.linspace(np.nanmin(values), np.nanmax(values), _POINTS)
    level = prediction.slide_level(place)
    if depth is None:
        interval = predictive.level_interval(grid[:, None], level, PROMISED)
    else:
        interval = predictive.measurement_interval(grid[:, None], level, depth, PROMISED)
    return {
        "values": grid.round(4).tolist(),
        "low": interval.low[:, 0].round(4).tolist(),
        "high": interval.high[:, 0].round(4).tolist(),
        "what": f"{PROMISED:.0%} interval" + ("" if depth is None else f" at {depth:,} counts"),
    }


def _key(run_id: str) -> str:
    return f"depth-{run_id}"
