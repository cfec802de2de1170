"""Widgets that several pages share: pickers, uploads, scores and progress."""
