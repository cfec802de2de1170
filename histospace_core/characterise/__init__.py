"""What a map of expression shows about the tissue: domains, markers, signatures."""

from histospace_core.characterise.against_rest import AgainstRest, against_rest
from histospace_core.characterise.agreement import Agreement, agreement
from histospace_core.characterise.boundary import (
    boundary_gradient,
    edge_distance,
    region_labels,
)
from histospace_core.characterise.domains import Domains, find_domains
from histospace_core.characterise.expected import expected_in_region, expected_signatures
from histospace_core.characterise.geojson import (
    Annotations,
    read_annotations,
    read_regions,
)
from histospace_core.characterise.markers import Markers, find_markers
from histospace_core.characterise.measured import AgainstMeasured, against_measured
from histospace_core.characterise.region import Region
from histospace_core.characterise.signature_skill import held_out_signatures
from histospace_core.characterise.signatures import (
    Signature,
    SignatureScores,
    read_gmt,
    score_signatures,
)

__all__ = [
    "AgainstMeasured",
    "AgainstRest",
    "Agreement",
    "Annotations",
    "Domains",
    "Markers",
    "Region",
    "Signature",
    "SignatureScores",
    "against_measured",
    "against_rest",
    "agreement",
    "boundary_gradient",
    "edge_distance",
    "expected_in_region",
    "expected_signatures",
    "find_domains",
    "find_markers",
    "held_out_signatures",
    "read_annotations",
    "read_gmt",
    "read_regions",
    "region_labels",
    "score_signatures",
]
