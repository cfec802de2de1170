"""Folders of trunks with random weights: no encoder but lite0 comes without a download."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

TINY_VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "reg_tokens": 2}
UNI_SHAPE = {"init_values": 1e-5, "dynamic_img_size": True}
"""Arguments that make timm's vit_large_patch16_224 the architecture of UNI."""


def make_trunk(
    folder: Path,
    architecture: str = "vit_tiny_patch16_224",
    arguments: dict[str, Any] | None = None,
    *,
    side: int = 32,
    licence: str = "CC0-1.0",
    **config: Any,
) -> Path:
    """Write a trunk's folder: random weights with a classifier of 7 classes, and their config."""
    torch.manual_seed(0)
    arguments = TINY_VIT if arguments is None else arguments
    cfg = {"input_size": (3, side, side)}
    encoder = timm.create_model(
        architecture, num_classes=7, pretrained_cfg_overlay=cfg, **arguments
    )
    write_trunk(folder, encoder.state_dict())
    stated = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "input_size": [3, side, side]}
    whole = {
        "architecture": architecture,
        "model_args": arguments,
        "pretrained_cfg": stated | ({"license": licence} if licence else {}),
        **config,
    }
    (folder / "config.json").write_text(json.dumps(whole))
    return folder


def write_trunk(folder: Path, state: dict[str, Tensor]) -> None:
    """Write the weights of a trunk's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
