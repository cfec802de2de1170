"""The record of a prediction: what went in, what ran and what came out.

`run.json`, `uns["histospace"]` of the AnnData store and the catalog's row hold the same record. It
states its `schema_version`; the first version of HistoSPACE wrote none, and its records are read as
version 1.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histospace_core.errors import StoreError

SCHEMA_VERSION = 2
RESEARCH_USE = "Research use only. Not for diagnosis."


class Part(BaseModel):
    """A part of a record: typed and immutable."""

    model_config = ConfigDict(frozen=True)


class Timings(Part):
    """Duration of a run's last attempt, s, and the number of tiles of earlier attempts.

    `encoding_seconds` are those in which tiles were read and encoded, `storing_seconds` those in
    which their genes were computed and stored; None in a record that does not tell. The rest, the
    start and the import of libraries, hardly depends on the number of tiles. Writing the tables at
    the very end is not included, because the record is one of them.
    """

    seconds: float = 0.0
    encoding_seconds: float = 0.0
    storing_seconds: float | None = None
    tiles_from_earlier_attempt: int = 0


class Record(Part):
    """The fields that the records of all kinds of run share."""

    schema_version: int = SCHEMA_VERSION
    timings: Timings = Timings()


R = TypeVar("R", bound=Record)


class SlideRecord(Part):
    """The slide: size in level-0 px, pixel size in um/px and its source.

    `series` names the image where the file holds several; `icc` the colour profile that the pixels
    were converted by.
    """

    name: str
    sha256: str
    width: int
    height: int
    mpp: float
    mpp_source: Literal["file", "user"]
    vendor: str
    reader: str
    series: str = ""
    icc: str = ""


class ModelRecord(Part):
    """The model; `metrics` and `signatures` are copied from its package."""

    name: str
    sha256: str
    network: str
    expression_unit: str
    stored_as: str
    training_sections: tuple[str, ...]
    metrics: dict[str, Any]
    signatures: dict[str, dict[str, Any]]
    slide_was_trained_on: bool


class AgreementRecord(Part):
    """Agreement of the faster form of the network with fp32 on sample tiles."""

    tiles: int
    mean_r: float
    least_r: float
    largest_difference: float


class SettingsRecord(Part):
    """How the slide was cut into tiles and how the network was run.

    `dense` states whether tiles share patches, `machine` the processor, its instruction set and the
    libraries that computed. `refused` lists faster forms of the network that could not be used, and
    why; `kernel_note` states why the plain network was used instead.
    """

    stain: str
    stain_parameters: dict[str, Any]
    stride_um: float
    tile_px: int
    um_per_px: float
    device: str
    dense: bool = False
    machine: dict[str, Any] = Field(default_factory=dict)
    arithmetic: str
    agreement_with_fp32: AgreementRecord | None
    refused: tuple[str, ...]
    kernel_note: str = ""


class TilesRecord(Part):
    """Tiles: side and stride in level-0 px, numbers by quality, centres of unreadable ones."""

    total: int
    side_level0_px: float
    stride_level0_px: float
    by_reason: dict[str, int]
    excluded: dict[str, int]
    unreadable_at_level0_px: tuple[tuple[float, float], ...]


class DomainRecord(Part):
    """Share of tiles out of domain, median domain score, and a warning if the share is large."""

    share_outside: float
    median_score: float | None
    warning: str


class RunRecord(Record):
    """The record of a prediction: the content of `run.json`.

    `key_sha256` identifies slide, model and settings: runs with the same one are the same run.
    """

    key_sha256: str = ""
    software: str = "HistoSPACE"
    notice: str = RESEARCH_USE
    created: str
    slide: SlideRecord
    model: ModelRecord
    settings: SettingsRecord
    tiles: TilesRecord
    domain: DomainRecord
    notes: tuple[str, ...]
    versions: dict[str, str]

    def with_slide_name(self, name: str) -> Self:
        """Return the record with another name for the slide."""
        return self.model_copy(update={"slide": self.slide.model_copy(update={"name": name})})


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON-serialisable values."""
    return record.model_dump(mode="json")


def read_record(file: Path) -> RunRecord:
    """Read a `run.json` of any version so far.

    Raises
    ------
    StoreError
        The file is missing, damaged, or written by a newer version of HistoSPACE.
    """
    where = f"'{file.parent.name}/{file.name}'"
    try:
        return parse_record(RunRecord, json.loads(file.read_text("utf-8")), where)
    except (OSError, ValueError) as error:
        raise StoreError(f"{where} cannot be read; run the prediction again.") from error


def parse_record(form: type[R], stored: Any, where: str) -> R:
    """Return a stored record of any version so far as a record of the current version.

    Parameters
    ----------
    form : type
        The record's class.
    stored : dict
        The record as JSON values.
    where : str
        Name of the record in error messages.

    Raises
    ------
    StoreError
        A field is missing or has a wrong type, or a newer version of HistoSPACE wrote the record.
    """
    if not isinstance(stored, Mapping):
        raise StoreError(f"{where} is damaged: it holds no record; run it again.")
    version = stored.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise StoreError(
            f"{where} was written by a newer version of HistoSPACE (schema {version}, and this "
            f"version reads up to {SCHEMA_VERSION}): update the program."
        )
    if version == 1:  # the same fields as version 2, which added optional ones
        stored = {**stored, "schema_version": SCHEMA_VERSION}
    try:
        return form.model_validate(stored)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        wrong = "is missing" if first["type"] == "missing" else "has a wrong value"
        raise StoreError(f"{where} is damaged: '{field}' {wrong}; run it again.") from error
