"""Units of length in um, in the spellings of OME-XML and of UDUNITS-2, which OME-Zarr uses."""

import re

_SYMBOLS = {
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "um": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "å": 1e-4,
    "in": 25_400.0,
    "ft": 304_800.0,
    "thou": 25.4,
    "mil": 25.4,
    "li": 25_400 / 12,
    "pt": 25_400 / 72,
    "µ": 1.0,
    "mum": 1.0,
    "Âµm": 1.0,
    "\\u00b5m": 1.0,  # of faulty programs
}
"""Case matters: Mm is a million metres."""
_WORDS = {"micron": 1.0, "angstrom": 1e-4, "inch": 25_400.0, "point": 25_400 / 72}
_PLURALS = {f"{word}s": um for word, um in _WORDS.items()} | {"inches": 25_400.0}
_PREFIXES = {"": "m", "deci": "dm", "centi": "cm", "milli": "mm", "micro": "µm", "nano": "nm",
             "pico": "pm"}  # fmt: skip


def um_of(unit: str) -> float | None:
    """Return how many um a unit of length is, in any known spelling; None for others."""
    # Both the Greek letter mu and the micro sign occur, and both forms of the angstrom sign.
    symbol = unit.strip().replace("μ", "µ").replace("\u212b", "Å")
    word = symbol.lower()
    if metre := re.fullmatch(r"(\w*?)met(?:er|re)s?", word):
        return _SYMBOLS.get(_PREFIXES.get(metre[1], ""))
    return _SYMBOLS.get(symbol, _WORDS.get(word, _PLURALS.get(word)))
