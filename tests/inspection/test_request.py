"""A request comes back whole from a child's JSON."""

import json
from pathlib import Path

from histospace_core.expression.choice import Choice
from histospace_core.inspection.request import Request


def test_round_trip() -> None:
    request = Request(Path("a"), Path("b"), "1", Choice("s", "8", None))
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request
