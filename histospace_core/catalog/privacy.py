"""Find slide names that may identify a patient.

Patterns find the formats that hospital systems use. They cannot recognise every person's name, and
cannot know that a number is harmless, so the app only warns and never changes or refuses a name.
"""

import re

_START, _END = (
    r"(?<![^\W_])",
    r"(?![^\W_])",
)  # \w includes the underscore, which separates words in file names
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_SEPARATOR = r"[-_. ]"

_FORMS = (
    ("a date, perhaps of birth", f"{_YEAR}{_SEPARATOR}{_MONTH}{_SEPARATOR}{_DAY}"),
    ("a date, perhaps of birth", f"{_DAY}{_SEPARATOR}{_MONTH}{_SEPARATOR}{_YEAR}"),
    ("a date, perhaps of birth", f"{_MONTH}{_SEPARATOR}{_DAY}{_SEPARATOR}{_YEAR}"),
    ("a date, perhaps of birth", rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"),
    ("a patient's number or date of birth", r"(?:mrn|dob|pid|patient)[-_ :#]?\d+"),
    ("an accession number", r"[a-z]{1,3}[-_ ]?(?:(?:19|20)\d\d|\d\d)[-_ ]\d{4,7}"),
    ("an accession number", r"\d\d[-_]\d{5,7}"),
    # Eight digits that form a date match above, for the first form that matches is reported.
    ("a medical record number", r"\d{7,10}"),
    # DICOM writes family name^given name.
    ("a person's name", r"[^\W\d_]{2,}(?:\^|, ?)[^\W\d_]{2,}"),
)
_PATTERNS = [(what, re.compile(_START + sign + _END, re.IGNORECASE)) for what, sign in _FORMS]


def find_identifier(name: str) -> tuple[str, str] | None:
    """Return the kind of identifier that a name seems to contain, and that part of it, or None.

    Examples
    --------
    >>> find_identifier("S23-12345 HE.svs")
    ('an accession number', 'S23-12345')
    >>> find_identifier("TCGA-CR-7395-01A-01-TS1.svs") is None
    True
    """
    for what, pattern in _PATTERNS:
        found = pattern.search(name)
        if found:
            return what, found.group()
    return None
