"""What `histospace doctor` says of the arithmetic, and that a damaged memory does not stop it."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from builders.packages import make_package

from histospace_core.cli import arithmetic as module
from histospace_core.cli.arithmetic import arithmetic
from histospace_core.cli.doctor import check_installation
from histospace_core.networks.predictor import FORMS
from histospace_core.remembered import keep, machine
from histospace_core.settings import get_settings

UNMEASURED = "the first prediction with a model measures which form of it is fastest"


@pytest.fixture
def model(tmp_path: Path, own_store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The SHA-256 of the only model that is installed."""
    monkeypatch.setenv("HISTOSPACE_MODELS", str(tmp_path / "models"))
    get_settings.cache_clear()
    return make_package(tmp_path / "models", "small").sha256


def remember(model: str, *order: str, device: str = "cpu", threads: int = 2) -> Path:
    """Keep a choice, and return its file."""
    folder = get_settings().store / "measured"
    before = set(folder.glob("*"))
    keep(FORMS, list(order), model=model, device=device, threads=threads)
    (file,) = set(folder.glob("*")) - before
    return file


def test_before_the_first_prediction_nothing_is_measured(model: str) -> None:
    said = arithmetic(get_settings())
    assert said.startswith(machine()["processor"])
    assert said.endswith(UNMEASURED)


def test_it_names_the_fastest_form_of_each_model_and_when_it_was_measured(model: str) -> None:
    file = remember(model, "int8 and bf16", "int8 and f32")
    day = "2026-11-30"
    at = datetime.fromisoformat(f"{day} 12:00").timestamp()
    os.utime(file, (at, at))
    said = arithmetic(get_settings())
    assert said.endswith(f"; small: OpenVINO, int8 and bf16 (measured {day})")
    remember(model, "compiled", device="cuda")
    said = arithmetic(get_settings())
    assert "int8 and bf16 (measured 2026-11-30) on 2 threads, bf16, compiled (measured" in said
    assert said.endswith("on GPU")


def test_choices_of_other_machines_and_versions_are_counted_and_not_used(model: str) -> None:
    changes = ({"processor": "an abacus"}, {"libraries": {"torch": "99.0", "openvino": None}})
    files = [remember(model, "int8", threads=i) for i in range(2)]
    for file, change in zip(files, changes, strict=True):
        stored = json.loads(file.read_text())
        file.write_text(json.dumps({**stored, "machine": {**stored["machine"], **change}}))
    said = arithmetic(get_settings())
    assert f"{UNMEASURED}; 2 choices of other machines or versions are kept and not used" in said
    files[0].unlink()
    assert "1 choice of another machine or version is kept and not used" in arithmetic(
        get_settings()
    )


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "\x00", "[" * 100_000, json.dumps({"what": FORMS, "found": 3})],
    ids=["empty", "cut", "list", "null", "deep", "number"],
)
def test_a_damaged_file_breaks_nothing(model: str, damage: str) -> None:
    remember(model, "int8").write_text(damage)
    (get_settings().store / "measured" / "folder.json").mkdir()
    (check,) = (c for c in check_installation(get_settings()) if c.name == "arithmetic")
    assert check.ok
    assert UNMEASURED in check.finding


@pytest.mark.parametrize(
    ("name", "limits", "expected"),
    [
        ("AVX512", {"OMP_NUM_THREADS": "1"}, "AVX-512 with VNNI, bf16"),
        ("AVX2", {}, "AVX2"),
        ("AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}, "AVX2 (limited by ATEN_CPU_CAPABILITY=avx2)"),
        ("DEFAULT", {}, "no wide instructions that PyTorch uses"),
    ],
)
def test_the_instruction_set_is_what_may_be_used(
    name: str, limits: dict[str, str], expected: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {**machine(), "processor": "Chip", "instruction_set": name, "limits": limits}
    monkeypatch.setattr(module, "machine", lambda: here)
    monkeypatch.setattr(module, "flags", lambda: {"avx512_vnni", "avx512_bf16"})
    assert arithmetic(get_settings()).startswith(f"Chip, {expected}; ")
