"""The published network: sizes, shapes and frozen statistics."""

import pytest
import torch

from histospace_core.networks import Autoencoder, HistoSPACE, TileEncoder, n_parameters, to_pixels


@pytest.mark.parametrize("n_genes", [1, 250, 2700])
def test_parameter_count_is_the_published_one(n_genes: int) -> None:
    assert n_parameters(HistoSPACE(n_genes)) == 2_338_944 + 257 * n_genes


def test_shapes_along_the_way() -> None:
    network = HistoSPACE(7).eval()
    pixels = torch.rand(2, 3, 128, 128)
    assert network.encode(pixels).shape == (2, 128, 16, 16)
    assert network(pixels).shape == (2, 7)


def test_there_is_no_activation_between_the_two_linear_layers() -> None:
    linear = [i for i, m in enumerate(HistoSPACE(3).head) if isinstance(m, torch.nn.Linear)]
    assert linear[1] == linear[0] + 1


def test_autoencoder_rebuilds_its_input_size_and_range() -> None:
    rebuilt, target = Autoencoder()(torch.rand(2, 3, 128, 128))
    assert rebuilt.shape == target.shape == (2, 3, 128, 128)
    assert 0 <= rebuilt.min() <= rebuilt.max() <= 1


def test_symmetric_range_has_a_dark_half_that_the_sigmoid_cannot_reach() -> None:
    rebuilt, target = Autoencoder("symmetric")(torch.zeros(2, 3, 32, 32))
    assert target.min() == -1
    assert rebuilt.min() >= 0


def test_the_encoder_of_the_autoencoder_fits_the_predictor() -> None:
    encoder = Autoencoder().encoder
    network = HistoSPACE(4).eval()
    network.encoder.load_state_dict(encoder.state_dict())
    pixels = torch.rand(2, 3, 128, 128)
    assert isinstance(network.encoder, TileEncoder)
    assert torch.equal(network.encode(pixels), encoder.eval()(pixels))


def test_to_pixels_keeps_colour_and_place() -> None:
    tiles = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    tiles[0, 1, 2] = torch.tensor([255, 51, 0], dtype=torch.uint8)
    assert torch.allclose(to_pixels(tiles)[0, :, 1, 2], torch.tensor([1.0, 0.2, 0.0]))
