"""A trunk other than EfficientNet-lite0: an encoder of timm or torchvision with its weights."""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from histospace_core.errors import ModelError
from histospace_core.networks.lite0_trunk import FirstBlocks
from histospace_core.networks.published_encoders import as_arguments
from histospace_core.networks.trunk_record import CONFIG, TORCHVISION, TrunkRecord

_SHOWN = 3  # names of weights in a sentence


def build_encoder(record: TrunkRecord, weights: Path) -> nn.Module:
    """Return the encoder of a trunk with its weights, in evaluation mode and frozen.

    Raises
    ------
    ModelError
        There is no such architecture, or the weights do not fit it.
    """
    encoder = _architecture(record)
    if record.pooling == "class+mean" and not hasattr(encoder, "num_prefix_tokens"):
        raise ModelError(
            f"The trunk '{record.name}': '{record.architecture}' has no class token, which the "
            f'pooling "class+mean" needs; correct its {CONFIG}.'
        )
    try:
        state = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weights of the trunk '{record.name}' are damaged or not in the format of "
            "safetensors; get the file again."
        ) from error
    try:
        lacking, unknown = encoder.load_state_dict(_fitted(state, encoder), strict=False)
    except (RuntimeError, KeyError, ValueError) as error:  # also from timm's conversion
        reason = str(error).strip().splitlines()[-1].strip()
        raise _unfit(record, reason) from error
    if lacking or unknown:
        parts = [("lack", lacking), ("also hold", unknown)]
        raise _unfit(record, " and ".join(f"they {how} {_some(k)}" for how, k in parts if k))
    return encoder.requires_grad_(False).eval()


def _architecture(record: TrunkRecord) -> nn.Module:
    import timm

    name = record.architecture
    if name.startswith(TORCHVISION):
        from histospace_core.networks.encoders import load_encoder

        return load_encoder(name, pretrained=False)
    if not timm.is_model(name):
        raise ModelError(
            f"The trunk '{record.name}': timm has no model '{name}'; correct the architecture in "
            f"its {CONFIG}."
        )
    side = record.input_px
    try:
        return timm.create_model(
            name,
            pretrained=False,
            num_classes=0,
            pretrained_cfg_overlay={"input_size": (3, side, side)},
            **as_arguments(record.arguments),
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or ["it gives no reason"])[0]
        raise ModelError(
            f"The trunk '{record.name}': timm cannot build '{name}' ({reason}); correct model_args "
            f"in its {CONFIG}."
        ) from error


def _fitted(state: dict[str, Tensor], encoder: Any) -> dict[str, Tensor]:
    """Return published weights without the classifier, in the layout of this version of timm."""
    names = getattr(encoder, "pretrained_cfg", {}).get("classifier") or ()
    names = (names,) if isinstance(names, str) else names
    own = encoder.state_dict()
    for key in [f"{name}.{part}" for name in names for part in ("weight", "bias")]:
        if key not in own:
            state.pop(key, None)
    # a convention of timm's modules: they read the layouts in which encoders were published
    convert = getattr(sys.modules[type(encoder).__module__], "checkpoint_filter_fn", None)
    fitted: dict[str, Tensor] = convert(state, encoder) if convert else state
    return fitted


def _unfit(record: TrunkRecord, why: str) -> ModelError:
    return ModelError(
        f"The weights of the trunk '{record.name}' do not fit the architecture "
        f"'{record.architecture}': {why[:300]}; correct architecture or model_args in its {CONFIG}."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))


class ForeignTrunk(nn.Module):
    """An encoder other than EfficientNet-lite0 as trunk, frozen.

    A view (n, 3, s, s) in [0, 1] is resized to the encoder's input and becomes its pooled features,
    (n, n_features). The domain score keeps the first blocks of EfficientNet-lite0, whose weights a
    model package holds.
    """

    def __init__(self, record: TrunkRecord, weights: Path) -> None:
        super().__init__()
        self.record = record
        self.n_features = record.n_features
        self.encoder: Any = build_encoder(record, weights)
        self.texture = FirstBlocks()
        self.mean: Tensor
        self.std: Tensor
        for name, values in (("mean", record.mean), ("std", record.std)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "ForeignTrunk":
        """Stay in evaluation mode, with the batch statistics of its own training."""
        return super().train(False)

    def first_means(self, pixels: Tensor) -> Tensor:
        """Return colour and fine texture of a view for the domain score, (n, 24)."""
        return self.texture.first_means(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        side = self.record.input_px
        if pixels.shape[-1] != side:
            pixels = nn.functional.interpolate(
                pixels, size=(side, side), mode="bilinear", antialias=True
            )
        x = (pixels - self.mean) / self.std
        if self.record.pooling == "class+mean":
            tokens = self.encoder.forward_features(x).float()
            patches = tokens[:, self.encoder.num_prefix_tokens :]  # after class token and registers
            return torch.cat([tokens[:, 0], patches.mean(1)], 1)
        features: Tensor = self.encoder(x)
        return features.float()
