"""Registration of measured spots on a slide: automatic checks, and placement by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from histospace_core.catalog import RunRow
from histospace_core.comparison.compare import Comparison, placed, registration
from histospace_core.expression import Placement, read_measured
from histospace_core.expression.align import AS_GIVEN, ORIENTATIONS
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.expression.placement import SCALES
from histospace_core.figures.placement import placement_map
from histospace_core.server.context import get_context
from histospace_core.server.links import run_canvas
from histospace_core.web.widgets.measured_choice import asking
from histospace_core.web.widgets.parts import CHART_CONFIG, guarded, metric, plain


@dataclass(frozen=True)
class Source:
    """Measured expression that a run can be compared with."""

    counts: Path
    spots: Path | None
    name: str
    choice: Choice = ONLY

    @property
    def title(self) -> str:
        """The name, and what was chosen in the file."""
        chosen = (self.choice.sample, self.choice.bin, self.choice.library)
        return " · ".join([self.name, *filter(None, chosen)])


def registration_facts(run: RunRow, comparison: Comparison) -> None:
    """Show the registration of the spots, and the tiles that each spot is compared with."""
    summary = comparison.summary
    shares = summary["alignment"].get("share_on_tissue_by_orientation", {})
    with st.expander("Registration and resolution"):
        if shares:
            percent = [100 * share for share in shares.values()]
            st.dataframe(
                pd.DataFrame({"orientation": list(shares), "on tissue": percent}),
                hide_index=True,
                width=480,
                height="content",
                column_config={
                    "on tissue": st.column_config.ProgressColumn(
                        "spots on tissue", format="%.0f %%", min_value=0, max_value=100
                    )
                },
                alt="Share of spots on tissue in each of eight orientations",
            )
        st.markdown(plain(placement_text(summary.get("placement", {}))))
        st.markdown(plain(resolution_text(run, summary)))


def placement_text(placement: dict) -> str:
    """Describe how the spots were moved by hand before the comparison, if they were."""
    if not placement.get("by_hand"):
        return "The spots are at the positions in the measurement; they were not moved by hand."
    right, down = placement["shift_um"]
    return (
        f"Placed by hand: {placement['orientation']}, rotated by {placement['turn_degrees']:g}° "
        f"clockwise, scaled by {placement['scale']:g}, shifted by {right:g} µm to the right and "
        f"{down:g} µm down."
    )


def resolution_text(run: RunRow, summary: dict) -> str:
    """Describe the tiles that a measured spot is compared with."""
    tiles, mpp = run.prediction_record.tiles, run.prediction_record.slide.mpp
    side, stride = (px * mpp for px in (tiles.side_level0_px, tiles.stride_level0_px))
    left_out = summary["n_spots_measured"] - summary["n_spots"]
    return (
        f"Each spot is compared with the mean of the predicted tiles in a square of {side:.0f} µm "
        "around it, weighted by the area that they share with the square; the model was trained to "
        f"predict a spot from this area. The stride of the tiles is {stride:.0f} µm. {left_out:,} "
        f"of {summary['n_spots_measured']:,} spots are left out because less than half of their "
        "square is predicted."
    )


@st.fragment
@guarded
def place_by_hand(run: RunRow, source: Source, compare: Callable[[Placement], None]) -> None:
    """Let the user move the spots over the slide and start a comparison with that placement."""
    if not st.toggle("Place the spots by hand", key=f"place-{run.id}"):
        return
    prediction = get_context().tiles.open_run(run.id).prediction
    with asking(source.counts, then_go_on=False):
        given = _positions(source.counts, source.spots, source.choice)
    as_given, _ = registration(prediction, given)
    inputs, picture = st.columns([2, 3], gap="medium")
    with inputs:
        placement = _inputs(run.id, as_given.shares)
        centres, _ = placed(prediction, given, placement)
        moved, on_tissue = registration(prediction, centres)
        metric(
            "Spots on tissue",
            f"{moved.on_tissue:.1%}",
            f"as given: {as_given.on_tissue:.1%}",
        )
        st.caption(
            "Place the spots by the tissue, not by the scores; scores prove nothing if the "
            "placement was chosen for them. The placement is recorded with the comparison."
        )
        with st.container(horizontal=True):
            if st.button("Compare with this placement", type="primary"):
                compare(placement)
            st.button("Reset the placement", on_click=_reset, args=(run.id,))
    with picture:
        st.plotly_chart(
            placement_map(run_canvas(run), centres, on_tissue),
            key=f"placement-{run.id}",
            config=CHART_CONFIG,
            alt=f"{len(centres):,} measured spots over the slide, {moved.on_tissue:.0%} on tissue",
        )


def _inputs(run_id: str, shares: dict[str, float]) -> Placement:
    orientation = st.selectbox(
        "Orientation",
        list(ORIENTATIONS),
        format_func=lambda name: f"{name}: {shares[name]:.0%} on tissue",
        key=_key(run_id, "orientation"),
    )
    left, right = st.columns(2)
    shift_x = left.number_input("Shift right, µm", step=50.0, key=_key(run_id, "x"))
    shift_y = right.number_input("Shift down, µm", step=50.0, key=_key(run_id, "y"))
    turn = left.number_input(
        "Rotate clockwise, degrees", -180.0, 180.0, 0.0, step=1.0, key=_key(run_id, "turn")
    )
    scale = right.number_input(
        "Scale, factor", *SCALES, 1.0, step=0.01, format="%.3f", key=_key(run_id, "scale")
    )
    return Placement(orientation or AS_GIVEN, turn, scale, (shift_x, shift_y))


def _reset(run_id: str) -> None:
    for name in ("orientation", "x", "y", "turn", "scale"):
        st.session_state.pop(_key(run_id, name), None)


def _key(run_id: str, name: str) -> str:
    return f"place-{name}-{run_id}"


@st.cache_data(max_entries=8, show_spinner="Reading the measurement…")
def _positions(counts: Path, spots: Path | None, choice: Choice) -> npt.NDArray[np.float64]:
    return np.asarray(read_measured(counts, spots, choice).obsm["spatial"], np.float64)
