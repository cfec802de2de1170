"""Output on a terminal that does not know every character."""

import codecs
import sys
import unicodedata
from io import TextIOWrapper

# One character for one, so that the columns of a table stay in line.
_PLAIN = str.maketrans("…—–−’‘“”µμ×·•²³→≥≤─━│", ".---''\"\"uux..23>><--|")


def print_plainly() -> None:
    """Let stdout and stderr replace what their encoding lacks, where they would raise an error.

    A byte of a file name that is no text is written as it is in the name.
    """
    codecs.register_error("histospace.plain", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None if it is closed
            stream.reconfigure(errors="histospace.plain")


def _replace(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return b"".join(map(_in_ascii, lacking)), error.end


def _in_ascii(character: str) -> bytes:
    if 0xDC80 <= ord(character) <= 0xDCFF:  # as os.fsdecode marks such a byte
        return bytes([ord(character) - 0xDC00])
    plain = unicodedata.normalize("NFKD", character.translate(_PLAIN))
    return plain.encode("ascii", "ignore") or b"?"
