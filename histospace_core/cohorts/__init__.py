"""Public cohorts by name: fetched, checked, and laid out as a cohort table."""

from histospace_core.cohorts.fetch import FetchedCohort, fetch_cohort
from histospace_core.cohorts.registry import SOURCES
from histospace_core.cohorts.resume import DownloadError

__all__ = ["SOURCES", "DownloadError", "FetchedCohort", "fetch_cohort"]
