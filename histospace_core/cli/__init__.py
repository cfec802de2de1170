"""The command line: each verb is one function, a few lines over the core."""

from histospace_core.cli.app import app, main

__all__ = ["app", "main"]
