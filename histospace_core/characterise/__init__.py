"""What the map of expression says about the tissue: domains, markers, programmes."""

from histospace_core.characterise.domains import Domains, find_domains

__all__ = ["Domains", "find_domains"]
