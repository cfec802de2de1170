"""Jobs: predictions, trainings and other runs in worker processes."""

from histospace_core.jobs.jobs import Jobs

__all__ = ["Jobs"]
