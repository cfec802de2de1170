"""The networks that can be evaluated and trained, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from histospace_core.errors import CohortError
from histospace_core.training.fit import HISTOSPACE
from histospace_core.training.histospace_plus import HISTOSPACE_PLUS
from histospace_core.training.method import Method
from histospace_core.training.peers import PEERS, PREFIX, encoder_method

METHODS: Mapping[str, Method] = MappingProxyType(
    {m.name: m for m in (HISTOSPACE_PLUS, HISTOSPACE, *PEERS)}
)
TRAINABLE = ("histospace-plus", "histospace")
"""Networks that can become a model package."""


def method_named(name: str) -> Method:
    """Return the method of this name; `encoder:<name>` is any image encoder with a ridge.

    Raises
    ------
    CohortError
        No network has this name.
    """
    encoder = name.removeprefix(PREFIX)
    if name not in METHODS and encoder not in {name, ""}:
        return encoder_method(encoder)
    if name not in METHODS:
        raise CohortError(f"Unknown network '{name}'; choose one of {', '.join(METHODS)}.")
    return METHODS[name]
