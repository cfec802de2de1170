"""Which process answers for a run."""

import os
import subprocess
import sys

import pytest

from histospace_core.process import identity, is_alive


def test_this_process_is_here() -> None:
    assert is_alive(identity())


def test_an_ended_process_is_gone() -> None:
    code = "from histospace_core.process import identity; print(identity())"
    ended = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert not is_alive(ended)


def test_a_process_that_nobody_has_buried_is_gone() -> None:
    code = "from histospace_core.process import identity; print(identity(), flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    who = child.stdout.readline().strip()
    child.stdout.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not is_alive(who)
    child.wait()


def test_another_process_of_the_same_number_is_not_it() -> None:
    host, pid, started = identity().split("/")
    assert not is_alive(f"{host}/{pid}/{int(started) + 1}")


@pytest.mark.parametrize("who", ["", "x", "elsewhere/1/0", "a/b/c/d"])
def test_of_others_nothing_is_known(who: str) -> None:
    assert is_alive(who) is None
