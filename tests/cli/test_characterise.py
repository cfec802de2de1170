"""`histospace characterise` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders.characterised_runs import make_run


def histospace(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "histospace_core", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_run_is_characterised(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    done = histospace("characterise", tmp_path / "run", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "12 of 20 genes used (60% are reliable)" in " ".join(done.stdout.split())
    assert json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["domains"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{tmp}",), "no finished prediction"),
        (("{run}", "--signatures", "{tmp}/absent.gmt"), "absent.gmt: cannot be read"),
        (("{run}", "--annotations", "{text}"), "notes.txt: is not GeoJSON"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "notes.txt").write_text("not json")
    names = {"tmp": tmp_path, "run": tmp_path / "run", "text": tmp_path / "notes.txt"}
    given = [a.format(**names) for a in arguments]
    done = histospace("characterise", *given, "--out", tmp_path / "out")
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"run", "notes.txt"}
