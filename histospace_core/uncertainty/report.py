"""The coverage of intervals on every held-out section, each learnt without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from histospace_core.evaluation import HeldOut
from histospace_core.uncertainty.counting import Counting, typical_depths
from histospace_core.uncertainty.coverage import CURVE, measure_coverage
from histospace_core.uncertainty.fitted import (
    PROMISED,
    can_fit,
    fit_predictive,
    held_out_evidence,
    held_out_map,
)
from histospace_core.uncertainty.levels import Levels, level_coverage
from histospace_core.uncertainty.map_slope import MapEvidence
from histospace_core.uncertainty.predictive import Predictive
from histospace_core.uncertainty.spot_spread import SpotEvidence


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that intervals are learnt from.

    Attributes
    ----------
    held
        Held-out sections and their predictions, each section once.
    levels
        Levels of all sections, with and without an image.
    unit
        Expression unit.
    by
        "patient": intervals are for a new patient, learnt from other patients; "section": for a
        further section of a patient, learnt from its other sections.
    """

    held: Sequence[HeldOut]
    levels: Levels
    unit: str
    by: str = "patient"

    @property
    def usable(self) -> bool:
        """Whether these sections tell how far a prediction can be off."""
        return can_fit(self.held, self.unit) and self._spread_is_known(self.levels, self._patient)

    def fit(self, genes: Sequence[str]) -> Predictive:
        """Fit the distribution to everything, for a package."""
        counting = Counting(self.unit, typical_depths([h.depths for h in self.held]))
        return fit_predictive(
            genes,
            list(self._spots.values()),
            self.levels,
            counting,
            maps=list(self._maps.values()),
            patient=self._patient,
        )

    def fit_without(self, held: HeldOut) -> Predictive | None:
        """Fit the distribution for a held-out section to the others; None if they are too few."""
        if self.by == "patient":
            known, patient = self.levels.without(patient=held.patient), None
        else:
            known, patient = self.levels.without(section=held.section), held.patient
        apart = [h.section for h in self.held if self._apart(h, held)]
        spots = [self._spots[s] for s in apart]
        maps = [self._maps[s] for s in apart if s in self._maps]
        if not spots or not self._spread_is_known(known, patient):
            return None
        return fit_predictive(
            held.genes, spots, known, self._counting(held), maps=maps, patient=patient
        )

    @property
    def _patient(self) -> str | None:
        """The patient that the intervals are for; None for a new one."""
        return None if self.by == "patient" else self.held[0].patient

    @cached_property
    def _spots(self) -> dict[str, SpotEvidence]:
        return {h.section: held_out_evidence(h, self._counting(h)) for h in self.held}

    @cached_property
    def _maps(self) -> dict[str, MapEvidence]:
        found = {h.section: held_out_map(h, self._counting(h)) for h in self.held}
        return {section: evidence for section, evidence in found.items() if evidence is not None}

    def _counting(self, held: HeldOut) -> Counting:
        """Return the counting of the sections that `held` was predicted from."""
        others = [h.depths for h in self.held if self._apart(h, held)]
        return Counting(self.unit, typical_depths(others or [held.depths]))

    def _apart(self, other: HeldOut, held: HeldOut) -> bool:
        if self.by == "patient":
            return other.patient != held.patient
        return other.section != held.section and other.patient == held.patient

    def _spread_is_known(self, levels: Levels, patient: str | None) -> bool:
        """Whether there are two patients, or two sections of one, and levels of the patient."""
        if patient is None:
            return levels.n_patients > 1
        return patient in levels.patients and len(levels.sections) > levels.n_patients


def coverage_report(evidence: Evidence) -> dict[str, Any]:
    """Measure how intervals cover each held-out section, learnt from the others.

    Returns
    -------
    dict
        `level`; `promise`, one sentence; where it can be measured, `measured_coverage` by section,
        `sections` with width and quarters, `width`, `calibration` (nominal, measured) and, by
        patient, `level_coverage`.
    """
    report: dict[str, Any] = {"level": PROMISED}
    if not can_fit(evidence.held, evidence.unit):
        why = _OTHER_UNIT if evidence.held else _NOTHING_HELD_OUT
        return {**report, "promise": why}
    levels = evidence.levels
    report["promise"] = promise(levels.n_patients if evidence.by == "patient" else 0)
    if evidence.by == "patient" and levels.n_patients > 2:
        shares = level_coverage(levels.of(evidence.held[0].genes), PROMISED)
        report["level_coverage"] = {p: round(s, 4) for p, s in shares.items() if np.isfinite(s)}
    fitted = {h.section: (evidence.fit_without(h), h) for h in evidence.held}
    found = {
        section: {p: measure_coverage(predictive, held, p) for p in CURVE}
        for section, (predictive, held) in fitted.items()
        if predictive is not None
    }
    if not found:
        return report
    promised = {section: curve[PROMISED] for section, curve in found.items()}
    return {
        **report,
        "measured_coverage": {s: round(c.share, 4) for s, c in promised.items()},
        "sections": {s: c.to_json() for s, c in promised.items()},
        "width": round(float(np.mean([c.width for c in promised.values()])), 4),
        "calibration": [
            [p, round(float(np.mean([curve[p].share for curve in found.values()])), 4)]
            for p in CURVE
        ],
    }


def promise(n_patients: int) -> str:
    """Return one sentence: what an interval promises when this many patients were counted.

    Parameters
    ----------
    n_patients
        0 for intervals of further sections of a known patient.
    """
    if n_patients == 0:
        return (
            f"A measurement of another section of the same patient lies in the {PROMISED:.0%} "
            "interval nine times in ten; for a new patient nothing is promised."
        )
    if n_patients == 1:
        return (
            "All sections are of one patient, so how far a new patient can differ is unknown and "
            "nothing is promised for one."
        )
    carried = n_patients / (n_patients + 1)
    return (
        f"A measurement of a new patient lies in the {PROMISED:.0%} interval nine times in ten if "
        f"levels differ between patients as they do among these {n_patients}; without that "
        f"assumption, {n_patients} patients support at most {carried:.0%}."
    )


_NOTHING_HELD_OUT = "No section was held out, so there is no interval."
_OTHER_UNIT = (
    "Intervals need held-out counts and a unit of counts per 10,000, so there is no interval."
)
