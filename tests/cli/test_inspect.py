"""`histospace inspect` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

from builders.slide_files import make_slide


def _inspect(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "histospace_core", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_slide_as_json(tmp_path: Path) -> None:
    done = _inspect(make_slide(tmp_path / "s[1].png", side=600), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["kind"], found["usable"]) == ("s[1].png", "slide", True)


def test_a_refused_file_exits_with_2_and_still_tells(tmp_path: Path) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("not a slide")
    done = _inspect(path)
    assert done.returncode == 2
    assert "notes.svs: text" in done.stdout
    assert "11 bytes" in done.stdout
    assert str(tmp_path) not in done.stdout
    assert "Traceback" not in done.stderr
