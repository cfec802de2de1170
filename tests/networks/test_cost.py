"""Costs against sums done by hand."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from histospace_core.networks import HistoSPACE
from histospace_core.networks.cost import count_gmacs, peak_memory_mb, reset_peak_memory


def test_macs_of_a_layer_are_its_weights_times_its_places() -> None:
    layer = nn.Conv2d(3, 32, 3, padding=1, bias=False)
    assert count_gmacs(lambda: layer(torch.zeros(2, 3, 64, 64))) * 1e9 == 2 * 27 * 32 * 64**2
    linear = nn.Linear(100, 7)
    assert count_gmacs(lambda: linear(torch.zeros(5, 100))) * 1e9 == 5 * 700


def test_attention_counts_both_of_its_products() -> None:
    x = torch.zeros(1, 4, 10, 16)
    seen = count_gmacs(lambda: scaled_dot_product_attention(x, x, x))
    assert round(seen * 1e9) == 2 * 4 * 10 * 10 * 16


@torch.no_grad()
def test_the_published_network() -> None:
    network = HistoSPACE(1000).eval()
    convolutions = 27 * 32 * 128**2 + 288 * 64 * 64**2 + 576 * 128 * 32**2 + 1152 * 128 * 16**2
    expected = convolutions + 8192 * 256 + 256 * 1000
    assert round(count_gmacs(lambda: network(torch.zeros(1, 3, 128, 128))) * 1e9) == expected


def test_peak_memory_counts_what_is_held_and_forgets_what_was() -> None:
    held = np.ones(40_000_000)  # 320 MB
    high = peak_memory_mb()
    assert high > 320
    del held
    reset_peak_memory()
    assert peak_memory_mb() < high - 200
