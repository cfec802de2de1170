"""Jobs: predictions, trainings and evaluations in processes of their own."""

from histospace_core.jobs.jobs import Jobs

__all__ = ["Jobs"]
