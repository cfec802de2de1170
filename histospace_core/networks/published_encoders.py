"""What the publishers of gated encoders state on their model cards and not in their config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HUB = "hf-hub:"


@dataclass(frozen=True)
class Published:
    """Facts on an encoder from its model card.

    Attributes
    ----------
    licence : str
        Licence of the weights.
    arguments : dict
        Arguments of its timm architecture, as JSON can hold them; `as_arguments` translates them.
    pooling : str
        See `TrunkRecord.pooling`.
    config : dict
        Entries that replace those of the `pretrained_cfg` of its config.
    """

    licence: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pooling: str = "own"
    config: Mapping[str, Any] = field(default_factory=dict)


_NON_COMMERCIAL = "CC-BY-NC-ND-4.0"
_H_OPTIMUS = {"mean": [0.707223, 0.578729, 0.703617], "std": [0.211883, 0.230117, 0.177517]}
_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}

PUBLISHED: Mapping[str, Published] = {
    "MahmoodLab/UNI": Published(_NON_COMMERCIAL, {"init_values": 1e-5, "dynamic_img_size": True}),
    "MahmoodLab/UNI2-h": Published(
        _NON_COMMERCIAL,
        {
            "img_size": 224,
            "patch_size": 14,
            "depth": 24,
            "num_heads": 24,
            "init_values": 1e-5,
            "embed_dim": 1536,
            "mlp_ratio": 2.66667 * 2,  # SwiGLUPacked halves the width
            "no_embed_class": True,
            "reg_tokens": 8,
            "dynamic_img_size": True,
            **_SWIGLU,
        },
    ),
    "bioptimus/H-optimus-0": Published(
        "Apache-2.0", {"init_values": 1e-5, "dynamic_img_size": False}, config=_H_OPTIMUS
    ),
    "bioptimus/H-optimus-1": Published(
        _NON_COMMERCIAL, {"init_values": 1e-5, "dynamic_img_size": False}, config=_H_OPTIMUS
    ),
    "paige-ai/Virchow2": Published(_NON_COMMERCIAL, _SWIGLU, "class+mean"),
}


def published(repository: str) -> Published | None:
    """Return the facts on a repository of the hub, whose names ignore case."""
    return {k.casefold(): v for k, v in PUBLISHED.items()}.get(repository.casefold())


def as_arguments(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for timm: names of layers in JSON become the layers."""
    from timm.layers.mlp import GluMlp, Mlp, SwiGLU, SwiGLUPacked

    layers = {"Mlp": Mlp, "GluMlp": GluMlp, "SwiGLU": SwiGLU, "SwiGLUPacked": SwiGLUPacked}
    name = stated.get("mlp_layer")
    return {**stated, **({"mlp_layer": layers.get(name, name)} if name is not None else {})}
