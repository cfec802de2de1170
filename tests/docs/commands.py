"""The commands that the documentation gives, and the real parser of the command line."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer
from builders.checkout import PROJECT

from histospace_core.cli import app

PAGES = (
    PROJECT / "README.md",
    *sorted(p for p in (PROJECT / "docs").glob("*.md")),
)
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    histospace .*\n)+", re.MULTILINE)
_CALL = re.compile(
    r"^\s*(?:\.venv/bin/|(?:\w+=\S+ )*(?:torchrun|python) .*-m )?histospace(?:_core)? (.*)"
)
#: Typer carries its own Click, whose base of all complaints about usage it does not name.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each `histospace` command of a page: its line, and its arguments."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = [*_BLOCK.findall(text), *_INDENTED.findall(text)]
    for line in "\n".join(blocks).splitlines():
        found = _CALL.search(line.split("  #")[0])
        if found and not line.lstrip().startswith(("import ", "from ", "#")):
            yield line.strip(), shlex.split(found.group(1), comments=True)


def parse(arguments: list[str]) -> None:
    """Let the command line parse arguments, and do nothing else.

    Raises
    ------
    UsageError
        An unknown command or option, a value that is not allowed, something missing.
    """
    command = typer.main.get_command(app)
    context = command.make_context("histospace", list(arguments))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(str(name), rest, parent=context)
