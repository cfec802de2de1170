"""The command line: each command is one short function that calls the core."""

from histospace_core.cli.app import app, main

__all__ = ["app", "main"]
