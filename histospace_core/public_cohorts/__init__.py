"""Public cohorts: download a cohort by name, check it, and write its cohort table."""

from histospace_core.public_cohorts.fetch import FetchedCohort, fetch_cohort
from histospace_core.public_cohorts.registry import SOURCES
from histospace_core.public_cohorts.resume import DownloadError

__all__ = ["SOURCES", "DownloadError", "FetchedCohort", "fetch_cohort"]
