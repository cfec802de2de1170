"""Every network that can be trained and evaluated, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from histospace_core.errors import CohortError
from histospace_core.training.fit import HISTOSPACE
from histospace_core.training.method import Method
from histospace_core.training.peers import MEAN_PROFILE

METHODS: Mapping[str, Method] = MappingProxyType({m.name: m for m in (HISTOSPACE, MEAN_PROFILE)})
TRAINABLE = ("histospace",)
"""Those that a model package can hold."""


def method_named(name: str) -> Method:
    """Return the method of this name.

    Raises
    ------
    CohortError
        There is none.
    """
    if name not in METHODS:
        raise CohortError(f"Unknown network '{name}'; choose one of {', '.join(METHODS)}.")
    return METHODS[name]
