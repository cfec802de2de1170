"""The main path: a verdict that agrees with the readers, and facts even of a refused file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.slide_files import make_slide

from histospace_core.errors import HistospaceError
from histospace_core.expression import read_measured
from histospace_core.expression.choice import Choice
from histospace_core.files import sha256
from histospace_core.inspection.inspect import inspect_path
from histospace_core.sandbox import SandboxError
from histospace_core.slides.probe import probe_slide


def test_a_slide(tmp_path: Path) -> None:
    path = make_slide(tmp_path / "slide.png", side=600)
    found = inspect_path(path)
    facts = found.to_json()["facts"]
    assert (found.name, found.kind, found.usable) == ("slide.png", "slide", True)
    assert facts["size"] == [600, 600]
    assert facts["SHA-256"] == sha256(path)
    assert facts["size on disk"] == path.stat().st_size
    assert any("give --mpp" in note for note in found.notes)
    assert found.versions["HistoSPACE"]


def test_an_option_that_chooses_nothing_is_refused(tmp_path: Path) -> None:
    found = inspect_path(make_slide(tmp_path / "slide.png", side=300), choice=Choice(sample="s"))
    assert "there is nothing to choose by --sample" in found.problem
    assert "SHA-256" in found.to_json()["facts"]


@pytest.mark.parametrize("name", ["grey.png", "cut.png", "binary.svs"])
def test_the_sentence_is_the_probes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "grey.png":
        from PIL import Image

        Image.fromarray(np.zeros((300, 300), np.uint8)).save(path)
    elif name == "cut.png":
        path.write_bytes(make_slide(tmp_path / "whole.png").read_bytes()[:9000])
    else:
        path.write_bytes(b"\x01\x02\x00 not a slide" * 99)
    found = inspect_path(path)
    with pytest.raises(HistospaceError) as refused:
        probe_slide(path)
    assert found.problem == str(refused.value)
    assert found.to_json()["facts"]["size on disk"] == path.stat().st_size


def test_the_sentence_is_the_measurements(visium: Path) -> None:
    (visium / "spatial/tissue_positions.csv").unlink()
    found = inspect_path(visium)
    with pytest.raises(HistospaceError) as refused:
        read_measured(visium)
    assert found.problem == str(refused.value)
    assert found.contents == [".: filtered_feature_bc_matrix.h5"]


def test_a_missing_file(tmp_path: Path) -> None:
    found = inspect_path(tmp_path / "absent.svs")
    assert found.problem == "absent.svs: there is no such file or folder; check the path."


def test_a_name_that_no_system_takes() -> None:
    assert "cannot be opened" in inspect_path("a\0b").problem


def test_the_users_name_stands_for_a_stored_file(tmp_path: Path) -> None:
    stored = tmp_path / "4f" / "measured"
    stored.parent.mkdir()
    stored.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    found = inspect_path(stored, name="mine.h5ad")
    assert found.name == "mine.h5ad"
    assert found.problem.startswith("mine.h5ad: ")


def test_a_crash_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_slide(tmp_path / "slide.png", side=300)

    def crash(*_: object, **__: object) -> None:
        raise SandboxError("crash", f"cannot read {path}")

    monkeypatch.setattr("histospace_core.inspection.inspect.run_in_sandbox", crash)
    found = inspect_path(path)
    assert not found.usable
    assert "crashes its reader" in found.problem
    assert found.to_json()["facts"]["size on disk"] == path.stat().st_size


def test_no_folder_is_named(visium: Path, tmp_path: Path) -> None:
    secret = tmp_path / "Jane Doe 1950"
    secret.mkdir()
    shutil.copytree(visium, secret / "outs")
    (secret / "outs/filtered_feature_bc_matrix.h5").write_bytes(b"\x89HDF\r\n\x1a\n damaged")
    for path in (secret / "outs", secret / "absent"):
        assert "Jane" not in inspect_path(path).text()
