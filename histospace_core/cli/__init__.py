"""The command line: `histospace VERB`, one verb a function, each a few lines over the core."""

from histospace_core.cli.app import app, main

__all__ = ["app", "main"]
