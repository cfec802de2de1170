"""A machine measures once and remembers; nothing depends on the memory being there."""

import json
from pathlib import Path

import pytest

from histospace_core.remembered import machine, remembered
from histospace_core.settings import get_settings

pytestmark = pytest.mark.usefixtures("own_store")


class Measure:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


def _files() -> list[Path]:
    return sorted((get_settings().store / "measured").glob("*"))


def test_it_measures_once_for_each_set_of_facts() -> None:
    measure = Measure()
    assert [remembered("speed", measure, model=m) for m in "aaba"] == [1, 1, 2, 1]
    assert remembered("agreement", measure, model="a") == 3
    assert len(_files()) == 3


def test_a_file_says_what_was_measured_and_where() -> None:
    remembered("speed", lambda: 7, model="a")
    stored = json.loads(_files()[0].read_text("utf-8"))
    assert stored == {"what": "speed", "machine": machine(), "model": "a", "found": 7}
    assert {"processor", "instruction_set", "libraries"} <= set(stored["machine"])


def test_of_two_processes_that_measure_at_once_the_first_decides_for_both() -> None:
    def measure() -> int:
        assert remembered("speed", lambda: 1) == 1  # the other process
        return 2

    assert remembered("speed", measure) == 1


def test_another_version_of_a_library_measures_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Measure()
    assert remembered("speed", measure) == 1
    libraries = {**machine()["libraries"], "torch": "99.0"}
    changed = {**machine(), "libraries": libraries}
    monkeypatch.setattr("histospace_core.remembered.machine", lambda: changed)
    assert remembered("speed", measure) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", "\x00"])
def test_a_damaged_file_is_measured_again_and_mended(damage: str) -> None:
    measure = Measure()
    remembered("speed", measure)
    _files()[0].write_text(damage, "utf-8")
    assert [remembered("speed", measure) for _ in range(2)] == [2, 2]


def test_a_store_that_cannot_be_written_only_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = get_settings().store
    store.mkdir(parents=True)
    (store / "measured").write_text("a file where the folder should be", "utf-8")
    measure = Measure()
    assert [remembered("speed", measure) for _ in range(2)] == [1, 2]
    assert [p.name for p in store.iterdir()] == ["measured"]
