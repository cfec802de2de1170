"""How far a prediction can be off: intervals from patients' levels, spots and counting.

Arrays only. A measured value differs from its prediction for three reasons, and each has its own
distribution: the level of a gene differs between patients (`levels`), a spot differs from the
prediction of the network (`spot_spread`), and counting adds noise (`counting`). `predictive` puts
them together, and `coverage` measures on held-out sections whether the intervals hold.
"""

from histospace_core.uncertainty.autocorrelation import Autocorrelation
from histospace_core.uncertainty.counting import Counting, is_supported, typical_depths
from histospace_core.uncertainty.coverage import Coverage, measure_coverage
from histospace_core.uncertainty.fitted import (
    LEVEL_COLUMNS,
    MAP_COLUMNS,
    PROMISED,
    fit_predictive,
    predictive_from_table,
    to_columns,
    to_json,
)
from histospace_core.uncertainty.levels import (
    Levels,
    LevelSpread,
    between_patients,
    level_coverage,
    section_level,
    within_patients,
)
from histospace_core.uncertainty.map_slope import MapEvidence, map_evidence
from histospace_core.uncertainty.maps import (
    MOST_WRONG,
    REACH_UM,
    SCALES,
    Maps,
    fit_maps,
    scales_text,
)
from histospace_core.uncertainty.predictive import Interval, Predictive
from histospace_core.uncertainty.region import Region, RegionContrast
from histospace_core.uncertainty.report import Evidence, coverage_report
from histospace_core.uncertainty.spot_spread import SpotEvidence, fit_spot_sd, spot_evidence

__all__ = [
    "LEVEL_COLUMNS",
    "MAP_COLUMNS",
    "MOST_WRONG",
    "PROMISED",
    "REACH_UM",
    "SCALES",
    "Autocorrelation",
    "Counting",
    "Coverage",
    "Evidence",
    "Interval",
    "LevelSpread",
    "Levels",
    "MapEvidence",
    "Maps",
    "Predictive",
    "Region",
    "RegionContrast",
    "SpotEvidence",
    "between_patients",
    "coverage_report",
    "fit_maps",
    "fit_predictive",
    "fit_spot_sd",
    "is_supported",
    "level_coverage",
    "map_evidence",
    "measure_coverage",
    "predictive_from_table",
    "scales_text",
    "section_level",
    "spot_evidence",
    "to_columns",
    "to_json",
    "typical_depths",
    "within_patients",
]
