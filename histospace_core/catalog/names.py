"""The users' names of their files: cleaned for display, and never used as a path."""

import re
import unicodedata

LONGEST = 120  # characters of a displayed name
# .ome.tif and .tsv.gz are one type each.
_SUFFIX = re.compile(r"(?:\.(?:ome|tsv|csv|txt|mtx))?\.[a-z0-9]{1,8}\Z")


def display_name(name: str) -> str:
    """Return the last part of a name without control, invisible and direction characters."""
    last = re.split(r"[/\\]", name)[-1]
    # A direction mark could make one file type look like another.
    clean = "".join(c for c in last if unicodedata.category(c)[0] != "C")
    clean = " ".join(clean.split())  # also turns no-break spaces into plain ones
    if len(clean) > LONGEST:
        tail = suffix(clean)
        clean = clean[: LONGEST - len(tail) - 1] + "…" + tail
    return clean or "unnamed"


def suffix(name: str) -> str:
    """Return the file type of a name, such as ".svs" or ".tsv.gz"; "" when it has none."""
    found = _SUFFIX.search(name.lower())
    return found.group() if found else ""
