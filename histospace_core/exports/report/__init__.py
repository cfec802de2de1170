"""The report of a run as one HTML file or one PDF, made only from the run's folder."""

from histospace_core.exports.report.write import write_report

__all__ = ["write_report"]
