"""A checkpoint is taken up again, or left alone if it is damaged or another's."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from histospace_core.training.checkpoint import Checkpoint


def _trained() -> tuple[nn.Linear, torch.optim.Adam]:
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.rand(4, 3)).sum().backward()
    optimiser.step()
    return network, optimiser


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stage.safetensors"
    Checkpoint(path, "mine").save(*_trained(), epoch=7)
    return path


def test_it_is_taken_up_again(file: Path) -> None:
    network, optimiser = _trained()
    assert Checkpoint(file, "mine").restore(network, optimiser) == 7
    again = file.with_name("again.safetensors")
    Checkpoint(again, "mine").save(network, optimiser, epoch=7)
    with safe_open(file, "pt") as before, safe_open(again, "pt") as after:
        # not the bytes: safetensors writes the entries of the metadata in any order
        assert after.metadata() == before.metadata()
        assert set(after.keys()) == set(before.keys())
        assert all(torch.equal(after.get_tensor(k), before.get_tensor(k)) for k in before.keys())  # noqa: SIM118
    Checkpoint(file, "mine").clear()
    assert not file.exists()


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(b"\x93NUMPY" * 100)


def of_another_program(file: Path) -> None:
    save_file({"weight": torch.ones(2, 3)}, file)


def of_another_training(file: Path) -> None:
    Checkpoint(file, "another's").save(*_trained(), epoch=3)


@pytest.mark.parametrize(
    "spoil", [cut_off, emptied, garbage, of_another_program, of_another_training]
)
def test_a_damaged_or_foreign_file_is_left_alone(file: Path, spoil: Callable[[Path], None]) -> None:
    spoil(file)
    network, optimiser = _trained()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert Checkpoint(file, "mine").restore(network, optimiser) == 0
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
