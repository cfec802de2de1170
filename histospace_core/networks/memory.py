"""Tell an exhausted memory from any other error."""

import torch

_SAID_ON_CPU = ("can't allocate memory", "bad_alloc", "could not create a memory object")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that the memory of a device did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID_ON_CPU)


def free_device_memory() -> None:
    """Give memory that torch keeps for later back to the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
