"""A batch computed in parts is the batch; a part that does not fit the memory is halved."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from histospace_core.errors import ModelError
from histospace_core.networks.memory import is_out_of_memory
from histospace_core.training.step import PART, Step

N = 2 * PART + 5  # three parts, not all of a size
PIXELS = torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TRUTH = torch.rand(N, 2, generator=torch.Generator().manual_seed(1))


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )


def _stepped(network: nn.Module, part: int = PART) -> tuple[nn.Module, Tensor]:
    """Take one step of plain gradient descent; return the network and the loss."""
    step = Step(network, torch.optim.SGD(network.parameters(), lr=0.5))
    step.part = part
    loss = step(N, lambda rows: mse_loss(network(PIXELS[rows]), TRUTH[rows]))
    return network, loss


@pytest.mark.parametrize("part", [PART, 3])
def test_parts_add_up_to_the_batch(part: int) -> None:
    whole = _network().eval()
    loss = mse_loss(whole(PIXELS), TRUTH)
    loss.backward()
    stepped, found = _stepped(_network().eval(), part)
    torch.testing.assert_close(found, loss.detach())
    for before, after in zip(whole.parameters(), stepped.parameters(), strict=True):
        torch.testing.assert_close(after, before - 0.5 * before.grad, atol=1e-6, rtol=1e-5)


def test_statistics_are_those_of_one_batch_however_many_its_parts() -> None:
    whole = _network().train()
    whole(PIXELS)
    stepped, _ = _stepped(_network().train())
    torch.testing.assert_close(stepped[1].running_mean, whole[1].running_mean)
    assert not torch.equal(stepped[1].running_var, torch.ones(4))
    assert int(stepped[1].num_batches_tracked) == 1


def test_frozen_statistics_stay() -> None:
    stepped, _ = _stepped(_network().eval())
    assert torch.equal(stepped[1].running_mean, torch.zeros(4))


def _hungry(rows: slice) -> Tensor:
    """Ask for more memory than any machine can address, unless there are few rows."""
    few = rows.stop - rows.start <= PART // 2
    return torch.empty(0 if few else 2**60).sum()


def test_short_memory_halves_the_parts_and_keeps_the_result() -> None:
    before = _network()
    network = deepcopy(before)  # its batch norm learns: a failed try must leave no trace in it
    step = Step(network, torch.optim.SGD(network.parameters(), lr=0.5))
    assert step.note == ""
    step(N, lambda rows: mse_loss(network(PIXELS[rows]), TRUTH[rows]) + _hungry(rows))
    assert step.part == PART // 2
    assert f"{PART // 2} spots at a time" in step.note
    ample, _ = _stepped(before, PART // 2)
    for name, value in ample.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_spot_that_does_not_fit_is_said_in_a_sentence() -> None:
    network = _network()
    step = Step(network, torch.optim.SGD(network.parameters(), lr=0.5))
    with pytest.raises(ModelError, match="not enough memory to train"):
        step(N, lambda rows: network(PIXELS[rows]).sum() + torch.empty(2**60).sum())


def test_other_errors_are_not_taken_for_short_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("bad_alloc"))
    step = Step(network := nn.Linear(3, 1), torch.optim.SGD(network.parameters(), lr=0.5))
    with pytest.raises(RuntimeError, match="shapes"):
        step(4, lambda rows: network(torch.ones(4, 2)[rows]).mean())
