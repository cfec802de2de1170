"""The record of each kind of run, as the catalog's row holds it."""

from typing import Any

from histospace_core.catalog.kinds import Kind
from histospace_core.inference.record import Part, Record, RunRecord, parse_record


class TrainRecord(Record):
    """A training: the model that it made, and the file name of its cohort table."""

    model: str
    model_sha256: str
    cohort: str


class FoldRecord(Part):
    """A held-out section of an evaluation, and its patient."""

    test: str
    patient: str


class EvaluateRecord(Record):
    """An evaluation; its scores are in the `summary.json` of its folder."""

    network: str
    n_parameters: int
    folds: tuple[FoldRecord, ...]


class ExportRecord(Record):
    """An export: name and size in bytes of the file in the folder `exports` of the run."""

    file: str
    bytes: int


class CharacteriseRecord(Record):
    """A characterisation; what it found is in the `summary.json` of its folder."""


class ImportRecord(Record):
    """An import: the slide that it entered, under its user's name."""

    slide: str
    name: str
    sha256: str


AnyRecord = (
    RunRecord | TrainRecord | EvaluateRecord | ExportRecord | CharacteriseRecord | ImportRecord
)

_FORMS: dict[Kind, type[AnyRecord]] = {
    Kind.PREDICT: RunRecord,
    Kind.TRAIN: TrainRecord,
    Kind.EVALUATE: EvaluateRecord,
    Kind.EXPORT: ExportRecord,
    Kind.CHARACTERISE: CharacteriseRecord,
    Kind.IMPORT: ImportRecord,
}


def record_of(kind: str, stored: dict[str, Any], run_id: str) -> AnyRecord:
    """Return the record that a row of this kind holds.

    Raises
    ------
    StoreError
        It is damaged, or a newer version of HistoSPACE wrote it.
    """
    return parse_record(_FORMS[Kind(kind)], stored, f"The record of run {run_id[:8]}")
