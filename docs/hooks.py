"""Add the reference of the commands to the site when it is built."""

import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

COMMAND = ("-m", "typer", "histospace_core.cli", "utils", "docs", "--name", "histospace")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add `commands.md`, made from the help of the command line."""
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, check=True)
    text = done.stdout.replace("# `histospace`", "# Commands", 1)
    files.append(File.generated(config, "commands.md", content=text))
    return files
