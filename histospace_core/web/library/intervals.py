"""The intervals of a model: what they promise, and what they reached on held-out sections."""

from typing import Any

import pandas as pd
import streamlit as st

from histospace_core.figures.calibration import calibration
from histospace_core.networks import ModelPackage
from histospace_core.uncertainty import scales_text
from histospace_core.web.widgets.parts import CHART_CONFIG, plain


def show_intervals(package: ModelPackage) -> None:
    """Show the promise of a model's intervals, their measured coverage and their calibration."""
    interval = package.config.get("metrics", {}).get("interval", {})
    if "depths" not in interval:
        st.info(
            "This model states no intervals: too few patients or sections were held out, or it was "
            "trained by an older version. Its scores say how far to trust each gene."
        )
        return
    st.markdown(plain(interval["promise"]))
    if scales := package.config["metrics"].get("confirmed_scales"):
        further = "section" if package.config["metrics"]["held_out_by"] == "section" else "patient"
        st.markdown(
            f"Maps of genes confirmed for a further {further}: {scales_text(scales)}. About scores "
            "explains how."
        )
    if "calibration" not in interval:
        st.info("The coverage could not be measured: too few patients were held out.")
        return
    figure, table = st.columns([3, 2], gap="medium")
    curve = interval["calibration"]
    figure.plotly_chart(
        calibration(curve),
        key=f"calibration-{package.name}",
        config=CHART_CONFIG,
        alt="Share of held-out measured values in their interval against the promised share: "
        + ", ".join(f"{measured:.0%} at {nominal:.0%}" for nominal, measured in curve),
    )
    table.dataframe(
        coverage_table(interval),
        hide_index=True,
        column_config={
            column: st.column_config.NumberColumn(format="%.0f %%")
            for column in ("coverage", "shallow spots", "deep spots")
        }
        | {"width": st.column_config.NumberColumn(format="%.2f")},
    )
    table.caption(
        f"Coverage of the {interval['level']:.0%} interval on sections that nothing was learnt "
        "from, and in their quarter of spots with the fewest and the most counts. Width is in the "
        "unit of the map. A low promise is exceeded where most counts are 0, since the interval "
        "of 0 alone contains more."
    )
    if by_patient := interval.get("level_coverage"):
        shares = ", ".join(f"{plain(p)} {share:.0%}" for p, share in by_patient.items())
        st.markdown(f"Levels of each patient in the interval learnt from the others: {shares}.")


def coverage_table(interval: dict[str, Any]) -> pd.DataFrame:
    """Return one row for each held-out section, with shares in percent."""
    rows = [
        {
            "section": section,
            "coverage": 100 * found["coverage"],
            "shallow spots": 100 * found["by_depth"][0],
            "deep spots": 100 * found["by_depth"][-1],
            "width": found["width"],
        }
        for section, found in interval["sections"].items()
    ]
    return pd.DataFrame(rows)
