"""The record of each kind of run, as stored in the catalog's row."""

from typing import Any

from histospace_core.catalog.kinds import Kind
from histospace_core.inference.record import Part, Record, RunRecord, parse_record


class TrainRecord(Record):
    """A training: the resulting model, and the file name of the cohort table."""

    model: str
    model_sha256: str
    cohort: str


class AdaptRecord(Record):
    """An adaptation: the resulting model, and the model that it was made from."""

    model: str
    model_sha256: str
    adapted_from: str


class FoldRecord(Part):
    """A held-out section of an evaluation, and its patient."""

    test: str
    patient: str


class EvaluateRecord(Record):
    """An evaluation; the scores are in `summary.json` in its folder."""

    network: str
    n_parameters: int
    folds: tuple[FoldRecord, ...]


class ExportRecord(Record):
    """An export: name and size in bytes of the file in the run's folder `exports`."""

    file: str
    bytes: int


class CharacteriseRecord(Record):
    """A characterisation; the results are in `summary.json` in its folder."""


class ImportRecord(Record):
    """An import: the id, name and hash of the new slide."""

    slide: str
    name: str
    sha256: str


AnyRecord = (
    RunRecord
    | TrainRecord
    | AdaptRecord
    | EvaluateRecord
    | ExportRecord
    | CharacteriseRecord
    | ImportRecord
)

_FORMS: dict[Kind, type[AnyRecord]] = {
    Kind.PREDICT: RunRecord,
    Kind.TRAIN: TrainRecord,
    Kind.ADAPT: AdaptRecord,
    Kind.EVALUATE: EvaluateRecord,
    Kind.EXPORT: ExportRecord,
    Kind.CHARACTERISE: CharacteriseRecord,
    Kind.IMPORT: ImportRecord,
}


def record_of(kind: str, stored: dict[str, Any], run_id: str) -> AnyRecord:
    """Return the stored record of a run of this kind.

    Raises
    ------
    StoreError
        The record is damaged, or a newer version of HistoSPACE wrote it.
    """
    return parse_record(_FORMS[Kind(kind)], stored, f"The record of run {run_id[:8]}")
