"""A request comes back whole from a child's JSON; options that choose nothing are refused."""

import json
from pathlib import Path

import pytest

from histospace_core.errors import StoreError
from histospace_core.expression.choice import Choice
from histospace_core.inspection import recognise
from histospace_core.inspection.request import Request


def test_round_trip() -> None:
    request = Request(Path("a"), Path("b"), "1", Choice("s", "8", None))
    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


@pytest.mark.parametrize(
    ("kind", "request_", "option"),
    [
        (recognise.SLIDE, Request(Path("a"), choice=Choice(sample="s")), "sample"),
        (recognise.SLIDE, Request(Path("a"), choice=Choice(bin="8")), "bin"),
        (recognise.SLIDE, Request(Path("a"), choice=Choice(library="l")), "library"),
        (recognise.MEASURED, Request(Path("a"), series="1"), "series"),
        (recognise.RUN, Request(Path("a"), series="1"), "series"),
        (recognise.COHORT, Request(Path("a"), choice=Choice(sample="s")), "sample"),
    ],
)
def test_an_option_that_chooses_nothing(kind: str, request_: Request, option: str) -> None:
    words = (
        rf"^a: is read as a file of the kind '{kind}', .* nothing to choose by --{option}; leave"
    )
    with pytest.raises(StoreError, match=words):
        request_.refuse_unused(kind)


def test_options_of_their_kind() -> None:
    Request(Path("a"), series="1").refuse_unused(recognise.SLIDE)
    Request(Path("a"), choice=Choice("s", "8", "l")).refuse_unused(recognise.MEASURED)
