"""What a run computes, and where it stands."""

from enum import StrEnum


class State(StrEnum):
    """Where a run stands. Compares equal to its plain string."""

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
    EXPORT = "export"
    CHARACTERISE = "characterise"
    IMPORT = "import"


ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)
"""States in which some process still answers for the run."""
