"""What a check of a cohort finds, and the refusal of a cohort that has errors."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from histospace_core.errors import CohortError

MOST_SHOWN = 3
"""Errors that a refusal states in full; it gives the number of the others."""

Severity = Literal["error", "warning"]
Kind = Literal[
    "no section",
    "section name",
    "duplicate name",
    "no patient",
    "similar patients",
    "no counts",
    "pixel size",
    "unreadable",
    "spots outside image",
    "misaligned spots",
    "ambiguous orientation",
    "spot pitch",
    "same image",
    "same counts",
    "no common gene",
]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that the user should look at.

    Attributes
    ----------
    severity : "error" or "warning"
        Training refuses a cohort with an error.
    kind : Kind
    sections : tuple of str
        Names of the sections that it is about; empty where it is about all of them.
    message : str
        What is wrong, where, and what to do.
    """

    severity: Severity
    kind: Kind
    sections: tuple[str, ...]
    message: str


def section_finding(severity: Severity, kind: Kind, name: str, message: str) -> Finding:
    return Finding(severity, kind, (name,), f"Section '{name}': {message}")


def require_sound(findings: Iterable[Finding]) -> None:
    """Refuse a cohort with errors; log the warnings of one without.

    Raises
    ------
    CohortError
        With the messages of the first errors and the number of the others.
    """
    findings = list(findings)
    errors = [finding.message for finding in findings if finding.severity == "error"]
    if not errors:
        for finding in findings:
            _log.warning("%s", finding.message)
        return
    more = len(errors) - MOST_SHOWN
    rest = [f"There {'is 1 more error' if more == 1 else f'are {more} more errors'}."]
    raise CohortError(" ".join(errors[:MOST_SHOWN] + (rest if more > 0 else [])))
