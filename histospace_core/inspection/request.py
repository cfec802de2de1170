"""What is inspected, and what the user has chosen in it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from histospace_core.errors import StoreError
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.inspection import recognise

_MEASURED = (recognise.MEASURED, recognise.TEXT, recognise.UNKNOWN)


@dataclass(frozen=True)
class Request:
    """The arguments of an inspection; see `inspect_path`."""

    path: Path
    spots: Path | None = None
    series: str | None = None
    choice: Choice = ONLY

    def to_json(self) -> dict[str, Any]:
        """Return it as a child process can receive it."""
        spots = None if self.spots is None else str(self.spots)
        return {**asdict(self), "path": str(self.path), "spots": spots}

    @classmethod
    def from_json(cls, sent: dict[str, Any]) -> Self:
        """Return the request that `to_json` sent."""
        spots = None if sent["spots"] is None else Path(sent["spots"])
        return cls(Path(sent["path"]), spots, sent["series"], Choice(**sent["choice"]))

    def refuse_unused(self, kind: str) -> None:
        """Refuse an option that chooses nothing in a file of this kind.

        Raises
        ------
        StoreError
        """
        given = {"series": self.series, **asdict(self.choice)}
        for option, value in given.items():
            applies = kind == recognise.SLIDE if option == "series" else kind in _MEASURED
            if value and not applies:
                raise StoreError(
                    f"is read as a file of the kind '{kind}', and there is nothing to choose by "
                    f"--{option}",
                    path=self.path,
                    remedy="leave it out",
                )
