"""The child's answer holds what was known before a reader refused."""

from pathlib import Path

from histospace_core.inspection.describe import DESCRIBED_BY, describe_as_json
from histospace_core.inspection.request import Request


def test_facts_survive_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "counts.tsv"
    path.write_text("\tERBB2\n10x12\t3\n")
    sent = describe_as_json("counts.tsv", "measured expression", Request(path).to_json())
    assert "no positions" in sent["problem"]
    assert {"name": "spots", "text": "1", "value": 1} in sent["facts"]


def test_every_kind_has_its_function() -> None:
    from importlib import import_module

    for place in DESCRIBED_BY.values():
        module, function = place.split(":")
        assert callable(getattr(import_module(f"histospace_core.inspection.{module}"), function))
