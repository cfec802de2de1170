"""Tags and notes of slides and runs: cleaning and searching them."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, String, or_, select, type_coerce

from histospace_core.catalog.database import Database
from histospace_core.catalog.tables import RunRow, SlideRow

LONGEST_TAG = 40
MOST_TAGS = 20
LONGEST_NOTE = 4000


class TagTable(Database):
    """The catalog's method for the tags in use."""

    def tags(self, table: type[SlideRow] | type[RunRow]) -> list[str]:
        """Return the tags of all slides, or of all runs, sorted."""
        with self.read() as session:
            found = session.scalars(select(table.tags).where(text_of(table.tags) != "").distinct())
            return sorted({tag for tags in found for tag in tags}, key=str.casefold)


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags without commas, line breaks and repetitions, at most `LONGEST_TAG` long."""
    # A comma separates tags in the column.
    clean = (" ".join(tag.replace(",", " ").split())[:LONGEST_TAG].strip() for tag in tags)
    return tuple(dict.fromkeys(tag for tag in clean if tag.isprintable() and tag))[:MOST_TAGS]


def text_of(column: Any) -> ColumnElement[str]:
    """Return a column of tags as its stored text."""
    return type_coerce(column, String)  # as TagList, a text to search for would be stored as tags


def has_text(text: str, *columns: Any) -> ColumnElement[bool]:
    """Return the condition that one of the columns contains `text`, literally, in any case."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def has_tags(column: Any, tags: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column of tags has one of `tags`."""
    return or_(*(text_of(column).contains(f",{tag},", autoescape=True) for tag in tags))
