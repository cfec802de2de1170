"""The report of a run: one HTML file or one PDF, made from the run's folder alone."""

from histospace_core.exports.report.write import write_report

__all__ = ["write_report"]
