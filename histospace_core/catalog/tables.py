"""The catalog's tables. Rows are returned detached: plain typed objects, safe in any thread."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from histospace_core.catalog.kinds import ACTIVE, State
from histospace_core.catalog.records import AnyRecord, record_of
from histospace_core.errors import StoreError
from histospace_core.expression.choice import Choice
from histospace_core.inference.record import RunRecord

_ACTIVE_SQL = text("state IN ('queued', 'running', 'cancelling')")


def new_id() -> str:
    """Return a random id of 32 hex characters, which carries no information."""
    return uuid.uuid4().hex


def utc_now() -> datetime:
    """Return the current time in UTC, with its time zone."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite drops the time zone, so it is restored on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("the catalog accepts only times with a time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class TagList(TypeDecorator[tuple[str, ...]]):
    """Tags as one text, `,a,b,`, so that a search for `,a,` finds exactly that tag."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        return f",{','.join(value)}," if value else ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(tag for tag in (value or "").split(",") if tag)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(  # a migration can drop a constraint only by its name
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, datetime: UtcDateTime}  # noqa: RUF012


class SlideRow(Base):
    """An accepted slide. `name` comes from the user: show it escaped, never use it as a path."""

    __tablename__ = "slides"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)  # two uploads of one file share a row
    path: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    mpp: Mapped[float | None]
    mpp_source: Mapped[str | None]
    vendor: Mapped[str]
    reader: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)  # 32 bits end at 2 GiB
    tags: Mapped[tuple[str, ...]] = mapped_column(TagList, default=())
    note: Mapped[str] = mapped_column(default="")
    is_sample: Mapped[bool] = mapped_column(default=False)
    counts_path: Mapped[str | None]
    spots_path: Mapped[str | None]
    series: Mapped[str | None]  # the user's choice, where the file holds several images
    measured_choice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def file(self) -> Path:
        """The slide file in the store."""
        return Path(self.path)

    @property
    def mpp_by_user(self) -> float | None:
        """The pixel size, um/px, if the user stated it; the reader finds the file's own."""
        return self.mpp if self.mpp_source == "user" else None

    @property
    def choice(self) -> Choice:
        """Which measurement is read, where the attached file holds several."""
        return Choice(**(self.measured_choice or {}))


class ModelRow(Base):
    """A registered model package; the weights are in its folder."""

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    folder: Mapped[str]
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    registered_at: Mapped[datetime] = mapped_column(default=utc_now)


class RunRow(Base):
    """A prediction, training or other run: its settings, state and record.

    A characterisation or export is made from a prediction, its parent, and is deleted with it.
    """

    __tablename__ = "runs"
    __table_args__ = (
        # A double click must not start the same work twice, not even through two processes.
        Index(
            "one_active_run",
            "fingerprint",
            unique=True,
            sqlite_where=_ACTIVE_SQL,
            postgresql_where=_ACTIVE_SQL,
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    slide_id: Mapped[str | None] = mapped_column(ForeignKey("slides.id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id"), index=True)
    model_name: Mapped[str]  # no foreign key: a run outlives its model
    model_sha256: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    fingerprint: Mapped[str]
    folder: Mapped[str]
    tags: Mapped[tuple[str, ...]] = mapped_column(TagList, default=())
    note: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default=State.QUEUED.value, index=True)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    stage: Mapped[str] = mapped_column(default="")  # the current stage, as text
    attempt: Mapped[int] = mapped_column(
        default=0
    )  # a worker may write only during its own attempt
    worker: Mapped[str] = mapped_column(
        default=""
    )  # the process that is responsible for an active run
    heartbeat: Mapped[datetime] = mapped_column(default=utc_now)
    error: Mapped[str | None]
    stored_record: Mapped[dict[str, Any]] = mapped_column("record", default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    slide: Mapped[SlideRow | None] = relationship(lazy="joined")  # detached rows cannot load it

    @property
    def is_active(self) -> bool:
        """Whether a process is still responsible for the run."""
        return self.state in ACTIVE

    @property
    def progress(self) -> float:
        """Share of the work done, 0 to 1."""
        if self.state == State.DONE:
            return 1.0
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def record(self) -> AnyRecord | None:
        """The run record; None until the run is done."""
        if not self.stored_record:
            return None
        return record_of(self.kind, self.stored_record, self.id)

    @property
    def prediction_record(self) -> RunRecord:
        """The record of a finished prediction.

        Raises
        ------
        StoreError
            The run is not a prediction, or is not done.
        """
        record = self.record
        if not isinstance(record, RunRecord):
            raise StoreError(f"Run {self.id[:8]} is not a finished prediction: choose another run.")
        return record

    @property
    def seconds(self) -> float:
        """Duration of the run, s; 0 until it is done."""
        return self.record.timings.seconds if self.record else 0.0

    @property
    def directory(self) -> Path:
        """Folder of the run's results."""
        return Path(self.folder)


class ComparisonRow(Base):
    """A comparison of a run with measured expression."""

    __tablename__ = "comparisons"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    measured_name: Mapped[str]
    folder: Mapped[str]
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def directory(self) -> Path:
        """Folder of the comparison's tables."""
        return Path(self.folder)


class RegionRow(Base):
    """A state of a region on a run's map; states are added and never changed."""

    __tablename__ = "regions"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - so that no id is reused

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    region_id: Mapped[str] = mapped_column(index=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    change: Mapped[str]  # the change that made this state, and perhaps others
    action: Mapped[str]
    name: Mapped[str]
    colour: Mapped[str]
    shape: Mapped[dict[str, Any]]  # GeoJSON geometry, level-0 px
    deleted: Mapped[bool] = mapped_column(default=False)
    undone: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class AuditRow(Base):
    """Who changed what and when; rows are only added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str] = mapped_column(index=True)  # no foreign key: it outlives the row
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
