"""Errors that a user can cause. Each message says what is wrong, where, and what to do."""


class HistospaceError(Exception):
    """Base of every error whose message may be shown to a user as it stands (one sentence)."""


class SlideError(HistospaceError):
    """The file is not a slide that can be read, or is no H&E slide."""


class PixelSizeError(SlideError):
    """The pixel size is missing, zero, not finite, anisotropic or absurd."""


class TissueError(SlideError):
    """No tissue, or too little of it can be read."""


class MeasurementError(HistospaceError):
    """Measured spatial transcriptomics that cannot be used: format, counts, genes or positions."""


class RegionError(HistospaceError):
    """A drawing, or a file of drawn regions, that cannot be used."""


class CohortError(HistospaceError):
    """A cohort table that is incomplete, inconsistent or leaks patients between train and test."""


class ModelError(HistospaceError):
    """A model package that is missing, damaged, tampered with or of an unknown kind."""


class StoreError(HistospaceError):
    """A run or a prediction on disk cannot be read or written (missing, damaged, disk full)."""


class JobError(HistospaceError):
    """A job cannot be submitted, cancelled or resumed in its present state."""


class Cancelled(HistospaceError):  # noqa: N818 - not an error
    """The user asked for the work to stop; nothing is wrong."""
