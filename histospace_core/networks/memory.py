"""Recognise out-of-memory errors, and release memory that is not needed."""

import ctypes
import sys

import torch

# On a CPU torch raises a plain RuntimeError; only its text tells.
_CPU_MESSAGES = ("can't allocate memory", "bad_alloc", "could not create a memory object")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python means that a device is out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MESSAGES)


def release_memory() -> None:
    """Return memory that this process has freed but still holds to the system and to the GPU.

    The C library keeps freed memory in a heap per thread, where no other thread can use it: tens of
    megabytes between two stages of a run. Only glibc can be asked to return it.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
