"""Fit a predictive distribution to held-out sections, and keep it in a model package."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.evaluation import HeldOut
from histospace_core.uncertainty.autocorrelation import Autocorrelation
from histospace_core.uncertainty.counting import Counting, is_supported
from histospace_core.uncertainty.levels import (
    Levels,
    LevelSpread,
    between_patients,
    within_patients,
)
from histospace_core.uncertainty.map_slope import MapEvidence, map_evidence
from histospace_core.uncertainty.maps import SCALES, Maps, fit_maps
from histospace_core.uncertainty.predictive import Predictive
from histospace_core.uncertainty.spot_spread import SpotEvidence, fit_spot_sd, spot_evidence

PROMISED = 0.9
"""Probability of the intervals that the app shows."""
LEVEL_COLUMNS = ("level_log10_cp10k", "level_sd", "spot_sd")
"""Columns of a package's `genes.csv`, in log10 counts per 10,000."""
MAP_COLUMNS = ("map_slope", "map_slope_sd", "confirmed_scale")
"""Further columns, where it is known how far maps hold; the last is one of `SCALES`."""


def fit_predictive(
    genes: Sequence[str],
    spots: Sequence[SpotEvidence],
    levels: Levels,
    counting: Counting,
    *,
    maps: Sequence[MapEvidence] = (),
    patient: str | None = None,
) -> Predictive:
    """Fit the distribution of expression in a section of a new patient, or of a known one.

    Parameters
    ----------
    spots
        Of held-out sections, and of sections of which only counts exist.
    levels
        Levels of sections of all patients.
    counting
        Of the sections that the network was trained on.
    maps
        Of held-out sections.
    patient
        If given, the distribution is for further sections of this patient.
    """
    known = levels.of(genes)
    spread = between_patients(known) if patient is None else within_patients(known, patient)
    own = [s for s in spots if patient in {None, s.patient}]
    own_maps = [m for m in maps if patient in {None, m.patient}]
    fitted = fit_maps(own_maps, genes, "patient" if patient is None else "section")
    return Predictive(counting, spread, fit_spot_sd(own, genes), fitted)


def held_out_evidence(held: HeldOut, counting: Counting) -> SpotEvidence:
    """Return what the counts of a held-out section say about the spread around its prediction."""
    return spot_evidence(*_counted(held, counting))


def held_out_map(held: HeldOut, counting: Counting) -> MapEvidence | None:
    """Return what the counts of a held-out section say about its maps; None without distances."""
    if held.um_per_px is None:
        return None
    return map_evidence(*_counted(held, counting), held.centres * held.um_per_px)


def _counted(
    held: HeldOut, counting: Counting
) -> tuple[str, str, list[str], sparse.csr_matrix, NDArray[np.float64], NDArray[np.float64]]:
    """Return section, patient, genes, counts, depths and log rates of the counted genes."""
    assert held.counts is not None
    use = np.flatnonzero(held.counted)
    return (
        held.section,
        held.patient,
        [held.genes[i] for i in use],
        sparse.csr_matrix(sparse.csc_matrix(held.counts)[:, use]),
        held.depths,
        counting.log_rate(held.predicted[:, use]),
    )


def can_fit(held: Sequence[HeldOut], unit: str) -> bool:
    """Return whether there are held-out counts in a unit that intervals are defined for."""
    return is_supported(unit) and bool(held) and all(h.counts is not None for h in held)


def to_columns(predictive: Predictive) -> pd.DataFrame:
    """Return what a package's `genes.csv` keeps, one row per gene, in `LEVEL_COLUMNS`.

    `MAP_COLUMNS` follow where it is known how far maps hold.
    """
    values = (predictive.level.mean, predictive.level.sd, predictive.spot_sd)
    columns = pd.DataFrame(dict(zip(LEVEL_COLUMNS, values, strict=True)))
    if (maps := predictive.maps) is not None:
        scale = np.array(SCALES)[maps.scale]
        more = (maps.slope, maps.slope_sd, scale)
        columns = columns.assign(**dict(zip(MAP_COLUMNS, more, strict=True)))
    return columns


def to_json(predictive: Predictive) -> dict[str, Any]:
    """Return what a package's `config.json` keeps beside the columns."""
    df, maps = predictive.level.df, predictive.maps
    return {
        "level": PROMISED,
        "level_df": round(df, 3) if np.isfinite(df) else None,
        "depths": [round(float(d), 1) for d in predictive.counting.depths],
        "n_patients": predictive.level.n_groups,
        **({} if maps is None else {"autocorrelation": _rounded(maps.autocorrelation)}),
    }


def _rounded(found: Autocorrelation) -> dict[str, float]:
    return {"share": round(found.share, 4), "range_um": round(found.range_um, 1)}


def predictive_from_table(
    table: pd.DataFrame, interval: Mapping[str, Any], unit: str
) -> Predictive | None:
    """Return the distribution that a package's table and config keep; None if they keep none."""
    if "depths" not in interval or not is_supported(unit):
        return None
    if not set(LEVEL_COLUMNS) <= set(table.columns):
        return None
    mean, sd, spot_sd = (table[c].to_numpy(np.float64) for c in LEVEL_COLUMNS)
    df = interval.get("level_df")
    level = LevelSpread(mean, sd, np.inf if df is None else float(df), int(interval["n_patients"]))
    counting = Counting(unit, np.asarray(interval["depths"], np.float64))
    return Predictive(counting, level, spot_sd, _maps_from_table(table, interval))


def _maps_from_table(table: pd.DataFrame, interval: Mapping[str, Any]) -> Maps | None:
    if "autocorrelation" not in interval or not set(MAP_COLUMNS) <= set(table.columns):
        return None
    slope, slope_sd, scale = (table[c] for c in MAP_COLUMNS)
    place = pd.Index(SCALES).get_indexer(scale.astype(str))
    return Maps(
        slope.to_numpy(np.float64),
        slope_sd.to_numpy(np.float64),
        np.where(place < 0, len(SCALES) - 1, place),
        Autocorrelation(**interval["autocorrelation"]),
    )
