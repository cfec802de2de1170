"""In the child process: let the real readers read a file, and keep what they say."""

from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any

from histospace_core.errors import HistospaceError
from histospace_core.inspection import recognise
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.request import Request

DESCRIBED_BY = {
    recognise.SLIDE: "slide:describe_slide",
    recognise.MEASURED: "measured:describe_measured",
    recognise.TEXT: "measured:describe_measured",
    recognise.UNKNOWN: "measured:describe_measured",
    recognise.RUN: "results:describe_run",
    recognise.MODEL: "results:describe_model",
    recognise.RESULT: "results:describe_result",
    recognise.COHORT: "tables:describe_cohort",
    recognise.ANNOTATIONS: "tables:describe_annotations",
    recognise.SPOTS: "tables:describe_spots",
    recognise.JSON: "tables:describe_json",
}
"""Module and function for each kind; loaded only when needed, because some import torch."""


def describe_as_json(name: str, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return an `Inspection` as JSON values; if a reader refuses the file, with what it said."""
    found = Inspection(name, kind)
    module, function = DESCRIBED_BY[kind].split(":")
    describe: Callable[[Request, Inspection], None] = getattr(
        import_module(f"histospace_core.inspection.{module}"), function
    )
    try:
        describe(Request.from_json(request), found)
    except HistospaceError as error:
        if error.path is not None and error.name == error.path.name:
            error.name = name if str(error.path) == request["path"] else error.name
        found.refuse(error)
    return asdict(found)
