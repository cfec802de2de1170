"""Units of length in the spellings of UDUNITS-2."""

import re

_PREFIXES = {"": 1e6, "centi": 1e4, "milli": 1e3, "micro": 1.0, "nano": 1e-3, "pico": 1e-6}
_SYMBOLS = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6}
_OTHERS = {"micron": 1.0, "angstrom": 1e-4, "inch": 25400.0, "in": 25400.0, "å": 1e-4}


def um_of(unit: str) -> float | None:
    """Return how many um a unit of length is, in any spelling of UDUNITS-2; None for others."""
    word = unit.strip().replace("μ", "µ")
    if word in _SYMBOLS:
        return _SYMBOLS[word]
    word = word.lower()
    if word in _OTHERS or word.removesuffix("s") in _OTHERS:
        return _OTHERS.get(word, _OTHERS.get(word.removesuffix("s")))
    stem = re.fullmatch(r"(\w*?)met(?:er|re)s?", word)
    return _PREFIXES.get(stem.group(1)) if stem else None
