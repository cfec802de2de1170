"""Tests mirror the code: a test file lies where the module it tests lies, and bears its name."""

from pathlib import Path

from builders.checkout import PROJECT

TESTS = Path(__file__).parent
OWN_ROOMS = {"browser", "docs", "hostile", "interop", "mutations", "wheel"}
"""Rooms of tests that drive the program as a whole."""
WHOLE_ROOMS = {
    "exports/test_export_run.py",
    "exports/test_forms.py",
    "exports/test_interop.py",
    "exports/test_report.py",
    "inference/test_engine.py",
    "jobs/test_characterise.py",
    "jobs/test_crashes.py",
    "jobs/test_export.py",
    "jobs/test_import.py",
    "jobs/test_scheduler.py",
    "slides/test_shared_slides.py",
    "test_first_version.py",
    "test_mirror.py",
    "training/peers/test_parts.py",
    "training/peers/test_peers.py",
    "web/test_home.py",
}
"""Tests of what several modules of a room do together."""


def test_a_test_file_bears_the_name_of_its_module() -> None:
    files = {file.relative_to(TESTS) for file in TESTS.rglob("test_*.py")}
    mirrored = {f for f in files if f.parts[0] not in OWN_ROOMS} - {Path(f) for f in WHOLE_ROOMS}
    code = PROJECT / "histospace_core"
    lost = [
        str(file)
        for file in mirrored
        if not (code / file.parent / file.name.removeprefix("test_")).exists()
    ]
    assert not lost


def test_the_exceptions_are_there() -> None:
    assert not [name for name in WHOLE_ROOMS if not (TESTS / name).exists()]
