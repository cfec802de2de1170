"""The order in which a GPU is given its work, on a CPU: there its lanes do nothing."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from builders.packages import make_package
from torch import Tensor

from histospace_core.networks import Predictor
from histospace_core.networks.device_pipeline import (
    AHEAD,
    Array,
    CPULanes,
    lanes_of,
    pipelined,
)
from histospace_core.networks.shapes import SHAPES, fill, pieces

ITEMS = [np.full(n, n, np.float32) for n in (3, 1, 5, 4, 2)]


class Logged(CPULanes):
    """Lanes that say what they are asked for."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def upload(self, arrays: Sequence[Array]) -> list[Tensor]:
        self.log.append(f"upload {len(arrays[0])}")
        return super().upload(arrays)

    def download(self, results: Sequence[Tensor]) -> Callable[[], list[Array]]:
        n = len(results[0])
        self.log.append(f"download {n}")
        wait = super().download(results)

        def logged() -> list[Array]:
            self.log.append(f"wait {n}")
            return wait()

        return logged


def arrays(item: Array) -> list[Array]:
    return [item]


def double(item: Array, on_device: list[Tensor]) -> list[Tensor]:
    return [2 * tensor for tensor in on_device]


def test_results_come_in_order_and_equal_those_without_a_pipeline() -> None:
    lanes = lanes_of(torch.device("cpu"))
    found = [values for (values,) in pipelined(ITEMS, arrays, double, lanes)]
    assert [len(values) for values in found] == [3, 1, 5, 4, 2]
    for values, item in zip(found, ITEMS, strict=True):
        np.testing.assert_array_equal(values, 2 * item)


def test_the_next_items_are_given_before_a_result_is_awaited() -> None:
    lanes = Logged()
    list(pipelined(ITEMS, arrays, double, lanes))
    begun = [lanes.log.index(f"download {len(item)}") for item in ITEMS]
    awaited = [lanes.log.index(f"wait {len(item)}") for item in ITEMS]
    assert awaited == sorted(awaited)
    for i, wait in enumerate(awaited):
        assert sum(b < wait for b in begun) == min(len(ITEMS), i + 1 + AHEAD)


def test_no_items_give_no_results() -> None:
    assert list(pipelined([], arrays, double, CPULanes())) == []


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = 0

    def items() -> Iterator[Array]:
        nonlocal taken
        for item in ITEMS:
            taken += 1
            yield item

    next(pipelined(items(), arrays, double, CPULanes()))
    assert taken == 1 + AHEAD


@pytest.mark.parametrize("where", ["reading", "computing", "waiting"])
def test_an_error_reaches_the_caller(where: str) -> None:
    def items() -> Iterator[Array]:
        yield from ITEMS[:4]
        if where == "reading":
            raise OSError("reading")

    def compute(item: Array, on_device: list[Tensor]) -> list[Tensor]:
        if where == "computing" and item is ITEMS[3]:
            raise OSError("computing")
        return double(item, on_device)

    class Failing(CPULanes):
        def download(self, results: Sequence[Tensor]) -> Callable[[], list[Array]]:
            wait = super().download(results)

            def fail() -> list[Array]:
                raise OSError("waiting")

            return fail if where == "waiting" and len(results[0]) == 4 else wait

    found = pipelined(items(), arrays, compute, Failing())
    assert len(next(found)[0]) == 3
    with pytest.raises(OSError, match=where):
        list(found)


@pytest.mark.parametrize("most", [1, 16, 128, 500, 1024])
@pytest.mark.parametrize("n", [0, 1, 64, 129, 600, 1024, 1100, 5000])
def test_batches_cover_all_tiles_in_few_sizes(n: int, most: int) -> None:
    rows, sizes = zip(*pieces(n, most), strict=True) if n else ((), ())
    assert [i for part in rows for i in range(n)[part]] == list(range(n))
    assert set(sizes) <= {most, *SHAPES}
    assert max(sizes, default=0) <= most
    assert sum(sizes) <= max(2 * n, min(most, SHAPES[0]))


def test_a_batch_is_filled_up() -> None:
    tiles = torch.ones(3, 4, 4, 3, dtype=torch.uint8)
    filled = fill(tiles, 5)
    assert filled.shape == (5, 4, 4, 3)
    assert torch.equal(filled[:3], tiles)
    assert not filled[3:].any()


def test_items_encoded_ahead_equal_those_encoded_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    package = make_package(tmp_path_factory.mktemp("models"))
    tiles = np.random.default_rng(0).integers(0, 256, (7, 128, 128, 3), dtype=np.uint8)
    with Predictor(package, "cpu", batch_size=2) as predict:
        items = [[tiles[:3]], [tiles[3:4]], [tiles[4:]]]
        codes, domain = zip(*predict.encode_ahead(items), strict=True)
        expected, expected_domain = predict.encode(tiles)
    np.testing.assert_allclose(np.concatenate(codes), expected, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(domain), expected_domain, atol=1e-5)


def test_a_batch_for_which_memory_is_short_is_halved(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path_factory.mktemp("models"))
    tiles = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), dtype=np.uint8)
    with Predictor(package, "cpu", batch_size=8) as predict:
        (expected,) = predict.encode_ahead([[tiles]])
        whole = predict.encoder

        class Small:
            name = "small"

            def __call__(self, *views: Tensor) -> tuple[Tensor, Tensor]:
                if len(views[0]) > 2:
                    raise torch.OutOfMemoryError
                return whole(*views)

        predict.encoder = Small()
        (found,) = predict.encode_ahead([[tiles]])
        assert predict.batch_size == 2
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
