"""`histospace leaderboard`: what cannot run is one sentence and exit code 2."""

import sys
from pathlib import Path

import pytest

from histospace_core.cli import main


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ("mean-profile,nothing", "Unknown network 'nothing'"),
        ("colour@fast", "'colour' has no recipe 'fast'"),
        ("colour", "There is no cohort table"),
    ],
)
def test_a_user_error_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    networks: str,
    message: str,
) -> None:
    board = tmp_path / "board"
    command = ["histospace", "leaderboard", str(tmp_path / "none.csv"), "--out", str(board)]
    monkeypatch.setattr(sys, "argv", [*command, "--networks", networks])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not board.exists()
