"""Text for a person, JSON for a program."""

import json
from dataclasses import asdict
from pathlib import Path

from histospace_core.errors import SlideError
from histospace_core.inspection.findings import Inspection


def _found() -> Inspection:
    found = Inspection("a.svs", "slide", versions={"HistoSPACE": "1"})
    found.add("size", "2 x 3 px", [2, 3])
    found.add("format", "aperio")
    return found


def test_text_of_a_usable_file() -> None:
    lines = _found().text().splitlines()
    assert lines[0] == "a.svs: slide"
    assert "  size    2 x 3 px" in lines
    assert "Usable." in lines
    assert lines[-1] == "HistoSPACE 1"


def test_text_of_a_refused_file_names_the_choice() -> None:
    found = _found()
    found.refuse(SlideError.several("series", ["one", "two"], Path("/x/a.svs")))
    found.withheld.append("label image: present, not shown")
    text = found.text()
    assert "Usable" not in text
    assert "--series: one, two" in text
    assert "label image: present, not shown" in text
    assert max(map(len, text.splitlines())) <= 100


def test_json_holds_values() -> None:
    content = json.loads(json.dumps(_found().to_json()))
    assert content["facts"] == {"size": [2, 3], "format": "aperio"}
    assert content["usable"] is True


def test_a_child_sends_the_same() -> None:
    assert Inspection.from_child(json.loads(json.dumps(asdict(_found())))) == _found()
