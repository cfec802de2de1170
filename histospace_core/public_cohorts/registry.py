"""The sources of public cohorts, by name."""

from histospace_core.errors import CohortError
from histospace_core.public_cohorts.her2st import Her2st
from histospace_core.public_cohorts.hest import Hest
from histospace_core.public_cohorts.source import Source
from histospace_core.public_cohorts.stnet import StNet
from histospace_core.public_cohorts.visium import Visium

SOURCES: dict[str, Source] = {s.name: s for s in (Her2st(), StNet(), Visium(), Hest())}


def find_source(name: str) -> tuple[Source, list[str]]:
    """Parse `source` or `source:id,id`; return the source and the ids.

    Raises
    ------
    CohortError
        No such source, or no such id.
    """
    kind, _, rest = name.partition(":")
    if kind not in SOURCES:
        examples = "; ".join(source.example for source in SOURCES.values())
        raise CohortError(f"There is no public cohort '{name[:80]}'; choose e.g. {examples}.")
    ids = list(dict.fromkeys(part.strip() for part in rest.split(",") if part.strip()))
    SOURCES[kind].check_ids(ids)
    return SOURCES[kind], ids
