"""No terminal makes a command fail: what its encoding lacks is written plainly."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from histospace_core.cli.encoding import print_plainly

Terminal = Callable[[str], io.BytesIO]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let stdout be a terminal of an encoding; returns what is written to it."""

    def of(encoding: str) -> io.BytesIO:
        data = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding, write_through=True))
        print_plainly()
        return data

    return of


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"0.5 um - it's 2x. e ??\n"),
        ("latin-1", b"0.5 \xb5m - it's 2\xd7. \xe9 ??\n"),
        ("cp1252", b"0.5 \xb5m \x97 it\x92s 2\xd7\x85 \xe9 ??\n"),
        ("cp437", b"0.5 \xe6m - it's 2x. \x82 ??\n"),
        ("utf-8", "0.5 µm — it’s 2×… é 組織\n".encode()),
    ],
)
def test_what_an_encoding_lacks_is_plain(terminal: Terminal, encoding: str, written: bytes) -> None:
    stdout = terminal(encoding)
    print("0.5 µm — it’s 2×… é 組織")
    assert stdout.getvalue() == written


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_is_no_text_is_written_byte_for_byte(terminal: Terminal, encoding: str) -> None:
    stdout = terminal(encoding)
    print(os.fsdecode(b"caf\xff.svs"))
    assert stdout.getvalue() == b"caf\xff.svs\n"


def test_a_narrow_table_keeps_its_columns(terminal: Terminal) -> None:
    stdout = terminal("ascii")
    table = Table("model", "genes")
    table.add_row("a-very-long-name-of-a-model", "1,679")
    Console(file=sys.stdout, width=20).print(table)
    assert len({len(line) for line in stdout.getvalue().splitlines()}) == 1


NAME = os.fsdecode("Gewebe µ’—組".encode() + b"\xff.svs")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1", "COLUMNS": "20"},
        {"PYTHONIOENCODING": "cp1252", "TERM": "dumb"},
        {"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("models",), 0),
        (("predict", "--help"), 0),
        (("predict",), 2),
        (("predict", "{slide}", "--model", "histospace-her2st", "--mpp", "1", "--out", "x"), 2),
        (("predict", "{slide}", "--model", "µ—", "--mpp", "1", "--out", "x"), 2),
        (("compare", "{slide}", "--measured", "{slide}", "--out", "x"), 2),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
@pytest.mark.slow
def test_every_command_ends_as_it_should_on_any_terminal(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], code: int
) -> None:
    slide = tmp_path / NAME
    slide.write_text("not a slide")
    command = [sys.executable, "-m", "histospace_core"]
    command += [part.replace("{slide}", str(slide)) for part in arguments]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, **environment}, cwd=tmp_path, check=False
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
