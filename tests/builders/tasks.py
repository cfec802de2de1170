"""Tasks for worker processes: real work that tests can steer."""

import os
import time

from builders.records import run_record

from histospace_core.errors import SlideError
from histospace_core.inference.record import Record, Timings
from histospace_core.jobs.tasks import Task
from histospace_core.progress import Progress


def count(task: Task) -> Record:
    """Take `steps` steps of `pause` seconds, each noted in the run's folder; go on from there."""
    task.run.directory.mkdir(parents=True, exist_ok=True)
    file = task.run.directory / "steps"
    steps: int = task.run.settings["steps"]
    done = len(file.read_text().split()) if file.exists() else 0
    while done < steps:
        time.sleep(task.run.settings["pause"])
        with file.open("a") as out:
            out.write(f"{os.getpid()}\n")
        done += 1
        task.on_progress(Progress(done, steps, f"step {done}"))
    return run_record(timings=Timings(seconds=1.5), notes=[f"process {os.getpid()}"])


def sleep(task: Task) -> Record:
    """One long step that reports nothing."""
    time.sleep(task.run.settings["seconds"])
    return run_record()


def refuse(task: Task) -> Record:
    """Fail as the core fails."""
    raise SlideError("no tissue", path=task.run.slide.file, remedy="scan it again")


def crash(task: Task) -> Record:
    """Fail as nobody foresaw."""
    raise ZeroDivisionError("a secret detail")


def fill_disk(task: Task) -> Record:
    """Write until the disk is full, and leave the half result."""
    task.run.directory.mkdir(parents=True)
    with (task.run.directory / "half").open("wb", buffering=0) as out:
        while True:
            out.write(b"\0" * 65536)


def exhaust_memory(task: Task) -> Record:
    """Ask for more memory than any machine has."""
    bytearray(1 << 60)
    return run_record()
