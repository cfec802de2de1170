"""What the map of expression says about the tissue: domains, markers, programmes."""

from histospace_core.characterise.boundary import (
    Region,
    boundary_gradient,
    read_regions,
    region_labels,
)
from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.markers import Markers, find_markers
from histospace_core.characterise.statistics import (
    local_moran,
    neighbourhood_enrichment,
    spatial_coexpression,
)

__all__ = [
    "Domains",
    "Markers",
    "Region",
    "boundary_gradient",
    "find_domains",
    "find_markers",
    "local_moran",
    "neighbourhood_enrichment",
    "read_regions",
    "region_labels",
    "spatial_coexpression",
]
