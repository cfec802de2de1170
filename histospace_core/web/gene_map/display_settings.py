"""The user's display settings of gene maps, stored in the session and in the URL."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from urllib.parse import quote, unquote

from histospace_core.figures.colours import SCALES

Limits = tuple[float, float]

_SEPARATOR = "~"  # never part of a gene's name, and not escaped in a URL


@dataclass(frozen=True)
class DisplaySettings:
    """Display settings of a run's maps.

    Attributes
    ----------
    opacity : float
        Opacity of the map, 0 to 1.
    shown : bool
        Whether the map is shown over the slide.
    scale : str
        One of `figures.colours.SCALES`.
    grey : bool
        Whether tiles that are out of domain are grey.
    limits : dict of str to (float, float)
        Colour limits by gene, for genes whose limits the user set.
    """

    opacity: float = 0.7
    shown: bool = True
    scale: str = SCALES[0]
    grey: bool = True
    limits: Mapping[str, Limits] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read settings from untrusted values, such as a browser's; invalid ones get defaults."""
        raw = raw if isinstance(raw, Mapping) else {}
        default, limits = cls(), raw.get("limits")
        opacity = _number(raw.get("opacity"))
        scale = raw.get("scale")
        pairs = {str(k): _pair(v) for k, v in limits.items()} if _is_dict(limits) else {}
        return cls(
            opacity=default.opacity if opacity is None else min(max(opacity, 0.0), 1.0),
            # a browser may send anything: only False hides the map
            shown=raw.get("shown") is not False,
            scale=scale if scale in SCALES else default.scale,
            grey=raw.get("grey") is not False,
            limits={gene: pair for gene, pair in pairs.items() if pair},
        )

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Read settings from URL parameters, as `to_query` returns them."""
        parts = [part.split(_SEPARATOR) for part in query.get("limits", "").split(",")]
        raw = {
            "scale": query.get("scale"),
            "opacity": query.get("opacity"),
            "shown": query.get("map") != "off",
            "grey": query.get("grey") != "off",
            "limits": {unquote(part[0]): part[1:] for part in parts if part[0]},
        }
        return cls.read(raw)

    def to_query(self) -> dict[str, str]:
        """Return the settings that differ from the default as URL parameters."""
        default = DisplaySettings()
        limits = [
            f"{_quoted(g)}{_SEPARATOR}{a:.6g}{_SEPARATOR}{b:.6g}"
            for g, (a, b) in self.limits.items()
        ]
        query = {
            "scale": self.scale if self.scale != default.scale else "",
            "opacity": f"{self.opacity:g}" if self.opacity != default.opacity else "",
            "map": "" if self.shown else "off",
            "grey": "" if self.grey else "off",
            "limits": ",".join(limits),
        }
        return {name: value for name, value in query.items() if value}

    def to_json(self) -> dict[str, Any]:
        """Return the settings for JSON; `read` reads them back."""
        return asdict(self)


QUERY = ("scale", "opacity", "map", "grey", "limits")
"""The URL parameters of `DisplaySettings`."""


def _quoted(name: str) -> str:
    """Return a name without separators, which the name of a signature may contain."""
    return quote(name, safe=" ").replace(_SEPARATOR, "%7E")


def _is_dict(raw: Any) -> bool:
    return isinstance(raw, Mapping)


def _number(raw: Any) -> float | None:
    try:
        value = float(raw)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _pair(raw: Any) -> Limits | None:
    if not isinstance(raw, list | tuple) or len(raw) != 2:
        return None
    low, high = _number(raw[0]), _number(raw[1])
    return (low, high) if low is not None and high is not None and low < high else None
