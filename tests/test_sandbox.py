"""A child process with limits: its results, its errors, and its several deaths."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import children

from histospace_core.errors import PixelSizeError
from histospace_core.sandbox import SandboxError, run_in_sandbox


def test_a_result() -> None:
    assert run_in_sandbox(children.add, 2, 3, seconds=60, memory_mb=4096, threads=1) == 5


def test_an_error_keeps_its_kind_path_and_remedy(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    with pytest.raises(PixelSizeError) as caught:
        run_in_sandbox(children.refuse, str(slide))
    error = caught.value
    assert (error.path, error.remedy) == (slide, "resample it")
    assert str(error) == "a.svs: its pixels are not square; resample it."


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_the_cause_of_each_death() -> None:
    for function, cause, detail in [
        (children.crash, "crash", "exit status -11"),
        (children.sleep, "time", ""),
        (children.burn, "time", ""),
        (children.take_memory, "memory", ""),
        (children.fail, "crash", "ZeroDivisionError: a fault of ours"),
    ]:
        started = time.monotonic()
        with pytest.raises(SandboxError) as caught:
            run_in_sandbox(function, seconds=3, memory_mb=4096)
        assert (caught.value.cause, caught.value.detail) == (cause, detail)
        assert time.monotonic() - started < 30


def test_temporary_files_go_with_the_child() -> None:
    assert not Path(run_in_sandbox(children.leave_a_file)).exists()


def test_the_child_finds_the_package_wherever_it_lies(tmp_path: Path) -> None:
    """An installed wheel has no checkout above it, and the start folder may be any."""
    package = tmp_path / "somewhere" / "histospace_core"
    package.mkdir(parents=True)
    source = Path(children.__file__).parents[2] / "histospace_core"
    (package / "__init__.py").touch()
    for name in ("errors.py", "sandbox.py"):
        (package / name).write_bytes((source / name).read_bytes())
    (package / "job.py").write_text("def where() -> str:\n    return __file__\n")
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
        "from histospace_core.job import where\n"
        "from histospace_core.sandbox import run_in_sandbox\n"
        "print(run_in_sandbox(where))"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(
        command, cwd="/", env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(package / "job.py")
