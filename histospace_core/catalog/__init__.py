"""The catalog: slides, models, runs, comparisons, regions and who changed them, in SQL."""

from histospace_core.catalog.catalog import Catalog
from histospace_core.catalog.kinds import ACTIVE, Kind, State
from histospace_core.catalog.regions import Change, NewRegion
from histospace_core.catalog.states import RESUMABLE
from histospace_core.catalog.tables import (
    AuditRow,
    ComparisonRow,
    ModelRow,
    RegionRow,
    RunRow,
    SlideRow,
    new_id,
)

__all__ = [
    "ACTIVE",
    "RESUMABLE",
    "AuditRow",
    "Catalog",
    "Change",
    "ComparisonRow",
    "Kind",
    "ModelRow",
    "NewRegion",
    "RegionRow",
    "RunRow",
    "SlideRow",
    "State",
    "new_id",
]
