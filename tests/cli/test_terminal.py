"""The progress bar of the commands, as a terminal shows it."""

import io

import pytest
from rich.console import Console

from histospace_core.cli import terminal
from histospace_core.progress import Progress


def test_the_works_own_estimate_stands_after_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()

    def console(**_: object) -> Console:
        return Console(file=screen, force_terminal=True, width=100)

    monkeypatch.setattr(terminal, "Console", console)
    with terminal.progress_bar("tiles", estimates=True) as report:
        report(Progress(10, 100, "predicting", seconds_left=130.0))
    shown = screen.getvalue()
    assert "about 2 minutes left" in shown
    assert "· about" not in shown, "once, and not in the description too"
    assert "0:0" not in shown, "the bar's own estimate"
