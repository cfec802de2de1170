"""The kinds and states of runs."""

from enum import StrEnum


class State(StrEnum):
    """The state of a run. Compares equal to its plain string."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Kind(StrEnum):
    """What a run computes."""

    PREDICT = "predict"
    TRAIN = "train"
    EVALUATE = "evaluate"
    ADAPT = "adapt"
    EXPORT = "export"
    CHARACTERISE = "characterise"
    IMPORT = "import"


ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)
"""States in which a process is still responsible for the run."""
