"""What users say of their slides and runs: tags and notes, kept tidy and searched."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, String, or_, select, type_coerce

from histospace_core.catalog.database import Database
from histospace_core.catalog.tables import RunRow, SlideRow

LONGEST_TAG = 40
MOST_TAGS = 20
LONGEST_NOTE = 4000


class TagTable(Database):
    """The part of the catalog that knows which tags there are."""

    def tags(self, table: type[SlideRow] | type[RunRow]) -> list[str]:
        """Return the tags of all slides, or of all runs, by name."""
        with self.read() as session:
            found = session.scalars(select(table.tags).where(text_of(table.tags) != "").distinct())
            return sorted({tag for tags in found for tag in tags}, key=str.casefold)


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags without commas, breaks and repetitions, each within `LONGEST_TAG` characters."""
    clean = (" ".join(tag.replace(",", " ").split())[:LONGEST_TAG].strip() for tag in tags)
    return tuple(dict.fromkeys(tag for tag in clean if tag.isprintable() and tag))[:MOST_TAGS]


def text_of(column: Any) -> ColumnElement[str]:
    """Return a column of tags as the text that it is stored as."""
    return type_coerce(column, String)


def has_text(text: str, *columns: Any) -> ColumnElement[bool]:
    """Whether any of the columns contains `text`, taken literally, upper case or lower."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def has_tags(column: Any, tags: Collection[str]) -> ColumnElement[bool]:
    """Whether a column of tags has one of `tags`."""
    return or_(*(text_of(column).contains(f",{tag},", autoescape=True) for tag in tags))
