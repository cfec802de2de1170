"""Tell an exhausted memory from any other error, and give back what is not needed."""

import ctypes
import sys

import torch

_CPU_MESSAGES = ("can't allocate memory", "bad_alloc", "could not create a memory object")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that the memory of a device did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _CPU_MESSAGES)


def release_memory() -> None:
    """Give memory that is free, but kept for later, back to the system and to the GPU.

    The C library keeps what each thread has freed in a heap of that thread's own, where nobody else
    finds it: between two stages of a run that is tens of megabytes. Only glibc can be asked.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
