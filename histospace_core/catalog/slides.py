"""Slides in the catalog."""

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from histospace_core.catalog.names import display_name, suffix
from histospace_core.catalog.tables import RunRow, SlideRow, new_id
from histospace_core.catalog.tags import (
    LONGEST_NOTE,
    TagTable,
    has_tags,
    has_text,
    text_of,
    tidy_tags,
)
from histospace_core.errors import PixelSizeError, StoreError
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.slides.content import slide_files
from histospace_core.slides.properties import SlideProperties, check_mpp


class SlideTable(TagTable):
    """The catalog's methods for slides."""

    def add_slide(
        self,
        path: Path,
        name: str,
        sha256: str,
        properties: SlideProperties,
        *,
        is_sample: bool = False,
        slide_id: str | None = None,
        series: str | None = None,
    ) -> SlideRow:
        """Add a slide; if its content is known, return the existing row.

        Parameters
        ----------
        path
            The slide in the store. It replaces the known file of the same content if that is
            missing.
        name
            The user's name of the file; it is only displayed.
        slide_id
            Id to use for a new row, so that the file can lie in a folder of that name.
        series
            Which image was chosen, where the file holds several.
        """
        # before the transaction, which makes other writers wait
        size_bytes = sum(file.stat().st_size for file in slide_files(path))
        with self.write() as session:
            known = session.scalar(select(SlideRow).where(SlideRow.sha256 == sha256))
            if known is not None:
                if not known.file.exists():
                    known.path = str(path)
                    self.audit(session, "restore", "slide", known.id)
                return known
            row = SlideRow(
                id=slide_id or new_id(),
                name=name,
                sha256=sha256,
                path=str(path),
                width=properties.width,
                height=properties.height,
                mpp=properties.mpp,
                mpp_source=properties.mpp_source,
                vendor=properties.vendor,
                reader=properties.reader,
                size_bytes=size_bytes,
                is_sample=is_sample,
                series=series,
            )
            session.add(row)
            self.audit(session, "add", "slide", row.id, sha256=sha256, name=name)
            session.flush()
            return row

    def slides(self, text: str = "", tags: Collection[str] = ()) -> Sequence[SlideRow]:
        """Return slides, newest first.

        Parameters
        ----------
        text
            Searched in name, note and tags.
        tags
            A slide must have at least one of them.
        """
        query = select(SlideRow).order_by(SlideRow.created_at.desc(), SlideRow.id)
        if text:
            columns = (SlideRow.name, SlideRow.note, text_of(SlideRow.tags))
            query = query.where(has_text(text, *columns))
        if tags:
            query = query.where(has_tags(SlideRow.tags, tags))
        with self.read() as session:
            return session.scalars(query).all()

    def slide(self, slide_id: str) -> SlideRow:
        """Return one slide.

        Raises
        ------
        StoreError
            No slide has this id.
        """
        with self.read() as session:
            return _slide(session, slide_id)

    def slide_by_sha256(self, sha256: str) -> SlideRow | None:
        """Return the slide with this content, or None."""
        with self.read() as session:
            return session.scalar(select(SlideRow).where(SlideRow.sha256 == sha256))

    def slides_bytes(self) -> int:
        """Return the total size of all slides, bytes."""
        with self.read() as session:
            return int(session.scalar(select(func.sum(SlideRow.size_bytes))) or 0)

    def set_pixel_size(self, slide_id: str, mpp: float) -> SlideRow:
        """Set the pixel size, um/px, of a slide whose file does not state it.

        Raises
        ------
        PixelSizeError
            The value is impossible, or the file states its own.
        """
        with self.write() as session:
            row = _slide(session, slide_id)
            mpp = check_mpp(mpp, Path(row.name))
            if row.mpp_source == "file":
                raise PixelSizeError(
                    f"{row.name} names its own pixel size, {row.mpp:g} um/px: "
                    "it cannot be set by hand."
                )
            self.audit(session, "set pixel size", "slide", row.id, before=row.mpp, after=mpp)
            row.mpp, row.mpp_source = mpp, "user"
            return row

    def rename_slide(self, slide_id: str, name: str) -> SlideRow:
        """Rename a slide, for all screens and for later exports.

        The file type of the old name is kept. The audit records the change without the old name,
        which may identify a patient.
        """
        with self.write() as session:
            row = _slide(session, slide_id)
            kind = suffix(row.name)
            row.name = display_name(name if suffix(name) == kind else name + kind)
            self.audit(session, "rename", "slide", row.id)
            return row

    def describe_slide(self, slide_id: str, *, tags: Iterable[str], note: str) -> SlideRow:
        """Set the tags and the note of a slide."""
        with self.write() as session:
            row = _slide(session, slide_id)
            row.tags, row.note = tidy_tags(tags), note.strip()[:LONGEST_NOTE]
            self.audit(session, "describe", "slide", row.id)
            return row

    def attach_measured(
        self,
        slide_id: str,
        counts_path: Path | None,
        spots_path: Path | None = None,
        choice: Choice = ONLY,
    ) -> SlideRow:
        """Set the files of a slide's measured expression; None removes them.

        `choice` says which measurement is read, where the files hold several.
        """
        with self.write() as session:
            row = _slide(session, slide_id)
            row.counts_path = str(counts_path) if counts_path else None
            row.spots_path = str(spots_path) if spots_path else None
            row.measured_choice = None if choice == ONLY else asdict(choice)
            self.audit(session, "attach measured", "slide", row.id)
            return row

    def delete_slide(self, slide_id: str) -> None:
        """Delete a slide and its folder in the store.

        Raises
        ------
        StoreError
            Runs still refer to it.
        """
        with self.write() as session:
            row = _slide(session, slide_id)
            n_runs = session.scalar(select(func.count()).where(RunRow.slide_id == slide_id))
            if n_runs:  # the foreign key would refuse, too, but without a sentence
                raise StoreError(
                    f"{row.name} has {n_runs} run{'s' if n_runs > 1 else ''}: "
                    "delete them first, then the slide."
                )
            self.audit(session, "delete", "slide", row.id, sha256=row.sha256, name=row.name)
            session.delete(row)
        # After the commit, so that no row is ever without its file.
        remove_own_folder(row.file.parent, row.id)


def remove_own_folder(folder: Path, row_id: str) -> None:
    """Delete a row's folder, but only if it has the row's id as its name: others are not ours."""
    if folder.name == row_id:
        shutil.rmtree(folder, ignore_errors=True)


def _slide(session: Session, slide_id: str) -> SlideRow:
    row = session.get(SlideRow, slide_id)
    if row is None:
        raise StoreError("This slide is not in the catalog; it may have been deleted.")
    return row
