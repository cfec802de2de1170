"""The result of an inspection: facts, a verdict, and what is withheld; as text and as JSON."""

from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import Any, Self

from histospace_core.errors import HistospaceError

_WIDTH = 100


@dataclass(frozen=True)
class Fact:
    """One thing that is known about a file.

    Attributes
    ----------
    name : str
    text : str
        For a person.
    value : JSON value
        For a program, in the unit that `text` names.
    """

    name: str
    text: str
    value: Any


@dataclass
class Inspection:
    """What is known about a file or folder.

    Attributes
    ----------
    name : str
        Its name, without the folder it lies in.
    kind : str
        What it is, by its content: "slide", "measured expression", "run" and so on.
    facts : list of Fact
    problem : str
        The sentence with which HistoSPACE refuses it; "" if it can be used.
    options : dict
        What to choose from, if several candidates are the problem: option -> names.
    notes : list of str
        What is left out, repaired or chosen, one sentence each.
    contents : list of str
        What else is in it.
    withheld : list of str
        What is present and not shown, because it may identify a patient.
    versions : dict of str
        Versions of HistoSPACE, Python and the libraries, and the platform.
    """

    name: str
    kind: str
    facts: list[Fact] = field(default_factory=list)
    problem: str = ""
    options: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the readers accept it as it is."""
        return not self.problem

    def add(self, name: str, text: str, value: Any = None) -> None:
        """Add a fact; without a value, a program gets the text."""
        self.facts.append(Fact(name, text, text if value is None else value))

    def refuse(self, error: HistospaceError) -> None:
        """Take over the sentence of a reader, and what it lets the user choose from."""
        self.problem = str(error)
        if error.alternatives is not None:
            self.options = {error.alternatives.option: list(error.alternatives.names)}

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `facts` maps a fact's name to its value."""
        content = asdict(self)
        content["facts"] = {fact.name: fact.value for fact in self.facts}
        return {"name": self.name, "kind": self.kind, "usable": self.usable, **content}

    @classmethod
    def from_child(cls, content: dict[str, Any]) -> Self:
        """Return the inspection that a child process sent as `asdict`."""
        return cls(**{**content, "facts": [Fact(**fact) for fact in content["facts"]]})

    def text(self) -> str:
        """Return plain text for a terminal, or to paste into a question."""
        wide = max((len(fact.name) for fact in self.facts), default=0)
        lines = [f"{self.name}: {self.kind}", ""]
        for fact in self.facts:
            indent = " " * (wide + 4)
            lines += wrap(f"  {fact.name:{wide}}  {fact.text}", _WIDTH, subsequent_indent=indent)
        options = [f"--{option}: {', '.join(names)}" for option, names in self.options.items()]
        for title, entries in (
            ("Usable" if self.usable else "Not usable as it is", [self.problem]),
            ("To choose from", options),
            ("Notes", self.notes),
            ("Also in it", self.contents),
            ("Withheld, because it may identify a patient", self.withheld),
        ):
            said = [entry for entry in entries if entry]
            if said or entries == [self.problem]:
                lines += ["", title + (":" if said else ".")]
            for entry in said:
                lines += wrap(entry, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return "\n".join([*lines, "", *wrap(versions, _WIDTH)])
