"""What the map of expression says about the tissue: domains, markers, programmes."""

from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.markers import Markers, find_markers

__all__ = ["Domains", "Markers", "find_domains", "find_markers"]
