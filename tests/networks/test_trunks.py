"""Trunks are installed once, recognised by their weights, and refused in one sentence."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import timm
import torch
from builders.small_disk import needs_root, small_disk
from builders.trunks import make_trunk, write_trunk
from safetensors.torch import load_file, save_file
from torch import nn

from histospace_core.errors import ModelError, StoreError
from histospace_core.files import sha256
from histospace_core.networks.trunk_record import TrunkRecord
from histospace_core.networks.trunks import install_trunk, open_trunk
from histospace_core.settings import get_settings


@pytest.fixture(autouse=True)
def offline(own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_a_folder_is_installed_once_and_then_goes_by_its_name(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "vit")
    record = install_trunk(str(folder))
    assert (record.name, record.n_features, record.input_px) == ("vit", 32, 32)
    assert (record.source, record.licence) == ("a folder", "CC0-1.0")
    assert record.sha256 == sha256(folder / "model.safetensors")
    stored = get_settings().trunks_dir / "vit" / "model.safetensors"
    assert stored.samefile(folder / "model.safetensors"), "a link takes no space"
    assert install_trunk("vit") == install_trunk(str(folder)) == record
    assert install_trunk(str(stored.parent)) == record


def test_the_features_are_those_of_timm(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "net", "mobilenetv3_small_050", {}, side=64)
    record = install_trunk(str(folder))
    plain = timm.create_model("mobilenetv3_small_050", num_classes=7).eval()
    plain.load_state_dict(load_file(folder / "model.safetensors"))
    plain.reset_classifier(0)
    pixels = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v)[:, None, None] for v in (record.mean, record.std))
    with torch.no_grad():
        torch.testing.assert_close(open_trunk(record)(pixels), plain((pixels - mean) / std))


def test_class_token_and_mean_of_the_patches(tmp_path: Path) -> None:
    record = install_trunk(str(make_trunk(tmp_path / "vit", pooling="class+mean")))
    trunk = open_trunk(record)
    pixels = torch.rand(2, 3, 64, 64)  # resized to 32 px
    with torch.no_grad():
        features = trunk(pixels)
        shown = nn.functional.interpolate(pixels, size=(32, 32), mode="bilinear", antialias=True)
        tokens = trunk.encoder.forward_features((shown - trunk.mean) / trunk.std)
    assert features.shape == (2, 64) == (2, record.n_features)
    torch.testing.assert_close(features[:, :32], tokens[:, 0])
    # behind the class token and two registers
    torch.testing.assert_close(features[:, 32:], tokens[:, 3:].mean(1))


def test_a_licence_must_be_known(tmp_path: Path) -> None:
    folder = str(make_trunk(tmp_path / "vit", licence=""))
    with pytest.raises(ModelError, match=r"'vit' states no licence.*--trunk-licence"):
        install_trunk(folder)
    assert not list(get_settings().trunks_dir.iterdir())
    assert install_trunk(folder, "for  research").licence == "for research"
    assert install_trunk("vit").licence == "for research"
    with pytest.raises(ModelError, match="states the licence for research, not MIT"):
        install_trunk("vit", "MIT")


def _without(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickle(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    torch.save(state, folder / "pytorch_model.bin")  # noqa: TID251 - to be refused
    (folder / "model.safetensors").unlink()


def _damaged(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def _missing_key(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["blocks.1.norm1.weight"]
    write_trunk(folder, state)


def _unexpected_key(folder: Path) -> None:
    write_trunk(folder, {**load_file(folder / "model.safetensors"), "decoder": torch.ones(1)})


def _other_shape(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["blocks.1.norm1.weight"] = torch.ones(33)
    write_trunk(folder, state)


def _not_a_number(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["norm.weight"][0] = torch.nan
    write_trunk(folder, state)


def _two_files(folder: Path) -> None:
    save_file({"x": torch.ones(1)}, folder / "other.safetensors")


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _config(change: str, value: object) -> object:
    def alter(folder: Path) -> None:
        file = folder / "config.json"
        config = json.loads(file.read_text())
        part = config["pretrained_cfg"] if change in config["pretrained_cfg"] else config
        if value is None:
            del part[change]
        else:
            part[change] = value
        file.write_text(json.dumps(config))

    return alter


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without, "holds no weights; put model.safetensors there"),
        (_pickle, "'pytorch_model.bin' are a pickle.*in the format of safetensors"),
        (_damaged, "damaged or not in the format of safetensors"),
        (_missing_key, "do not fit.*they lack blocks.1.norm1.weight;"),
        (_unexpected_key, "do not fit.*they also hold decoder;"),
        (_other_shape, "do not fit.*size mismatch for blocks.1.norm1.weight"),
        (_not_a_number, "gives no finite features"),
        (_two_files, "holds 2 files of weights"),
        (_no_config, "'spoilt' has no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read; write it as JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "cannot be read; write it as JSON"),
        (_config("architecture", None), "does not state 'architecture'"),
        (_config("architecture", "resnet1"), "timm has no model 'resnet1'"),
        (_config("architecture", "resnet18"), "timm cannot build 'resnet18'.*correct model_args"),
        (_config("model_args", {"depth": "two"}), "timm cannot build"),
        (_config("model_args", {"checkpoint_path": "x.pt"}), "cannot hold checkpoint_path"),
        (_config("model_args", "depth"), "model_args an object"),
        (_config("mean", [0.5, 0.5]), "mean and std must be three numbers"),
        (_config("std", [0.5, 0.5, 0]), "mean and std must be three numbers"),
        (_config("input_size", [3, 4, 4]), "side of 16 to 1024"),
        (_config("pooling", "sum"), "pooling must be"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_is_said_and_nothing_is_installed(
    tmp_path: Path, spoil: object, message: str
) -> None:
    folder = make_trunk(tmp_path / "spoilt", pooling="own")
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(ModelError, match=message) as caught:
        install_trunk(str(folder))
    assert "\n" not in str(caught.value)
    assert not list(get_settings().trunks_dir.iterdir())


def test_no_class_token(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "net", "mobilenetv3_small_050", {}, pooling="class+mean")
    with pytest.raises(ModelError, match="has no class token"):
        install_trunk(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1", "There is no trunk 'resnet1'; give a folder, hf-hub"),
        ("./nowhere", "There is no folder './nowhere'"),
        ("resnet50", "'timm/resnet50.a1_in1k' are not on this machine and cannot be downloaded"),
        ("hf-hub:MahmoodLab/UNI2-h", "'MahmoodLab/UNI2-h' are not on this machine and cannot"),
        ("hf-hub:a b", "cannot name a trunk|not a repository of the hub"),
        ("vit_tiny_patch16_18", "There is no trunk"),
        ("test_vit4", "timm publishes no weights|cannot be downloaded"),
    ],
)
def test_a_trunk_that_is_not_here(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        install_trunk(name)


def test_two_trunks_of_one_name(tmp_path: Path) -> None:
    install_trunk(str(make_trunk(tmp_path / "vit")))
    other = make_trunk(tmp_path / "others" / "vit", pooling="class+mean")
    with pytest.raises(ModelError, match="has another trunk 'vit'; rename the folder"):
        install_trunk(str(other))


def test_a_model_says_what_is_missing(tmp_path: Path) -> None:
    record = install_trunk(str(make_trunk(tmp_path / "vit")))
    stored = get_settings().trunks_dir / "vit"
    write_trunk(tmp_path / "other", {"x": torch.ones(1)})
    (stored / "model.safetensors").unlink()
    (tmp_path / "other" / "model.safetensors").rename(stored / "model.safetensors")
    with pytest.raises(ModelError, match="the weights of this name in the store are others"):
        open_trunk(record)
    (stored / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"needs the trunk 'vit' .*SHA-256.*histospace trunk"):
        open_trunk(record)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": None},
        {"n_features": 10**9},
        {"n_features": "32"},
        {"mean": None},
        {"mean": [0.5, "0.5", 0.5]},
        {"name": "../vit"},
        {"input_px": 10**6},
        {"more": 1},
    ],
)
def test_an_impossible_record_of_a_package_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    record = install_trunk(str(make_trunk(tmp_path / "vit")))
    assert TrunkRecord.of(asdict(record)) == record
    with pytest.raises(ModelError):
        TrunkRecord.of({**asdict(record), **change})


@needs_root
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_trunk(tmp_path / "net", "mobilenetv3_small_050", {})  # 4 MB
    with small_disk(tmp_path, 1) as disk:
        monkeypatch.setenv("HISTOSPACE_STORE", str(disk))
        get_settings.cache_clear()
        with pytest.raises(StoreError, match=r"the trunk cannot be written .the disk is full"):
            install_trunk(str(folder))
        assert not list((disk / "trunks").iterdir())


def _cached(tmp_path: Path, repository: str, *files: Path) -> None:
    """Put files into the hub's cache, as a download does."""
    root = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    (root / "snapshots" / ("0" * 40)).mkdir(parents=True)
    for file in files:
        file.rename(root / "snapshots" / ("0" * 40) / file.name)


def test_a_repository_of_the_hub(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "made")
    digest = sha256(folder / "model.safetensors")
    _cached(tmp_path, "someone/vit", *folder.iterdir())
    record = install_trunk("hf-hub:someone/vit")
    assert (record.name, record.source) == ("someone--vit", "hf-hub:someone/vit")
    assert record.sha256 == digest, "the publisher's own file"
    assert install_trunk("hf-hub:someone/vit") == record


def test_a_repository_in_another_layout(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "made")
    (folder / "config.json").write_text('{"architectures": ["Dinov2Model"], "hidden_size": 32}')
    _cached(tmp_path, "someone/vit", *folder.iterdir())
    with pytest.raises(ModelError, match="'someone/vit' is not in the layout of timm"):
        install_trunk("hf-hub:someone/vit")


def test_what_a_model_card_adds(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "made", licence="unknown to the config")
    arguments = {"init_values": 1e-5, "dynamic_img_size": False}
    config = json.loads((folder / "config.json").read_text())
    encoder = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=32, **config["model_args"], **arguments
    )
    write_trunk(folder, encoder.state_dict())
    _cached(tmp_path, "bioptimus/H-optimus-1", *folder.iterdir())
    record = install_trunk("hf-hub:bioptimus/H-optimus-1")
    assert record.licence == "CC-BY-NC-ND-4.0"
    assert record.mean == (0.707223, 0.578729, 0.703617)
    assert record.arguments == {**config["model_args"], **arguments}


def test_a_pickle_of_the_hub_executes_nothing(tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "made")
    state = load_file(folder / "model.safetensors")
    _pickle(folder)
    _cached(tmp_path, "someone/vit", *folder.iterdir())
    record = install_trunk("hf-hub:someone/vit")
    stored = load_file(get_settings().trunks_dir / "someone--vit" / "model.safetensors")
    assert {k: v.shape for k, v in stored.items()} == {k: v.shape for k, v in state.items()}
    assert record.n_features == 32
    folder = make_trunk(tmp_path / "bad")
    (folder / "model.safetensors").unlink()
    trap = Trap(tmp_path / "sprung")
    torch.save(trap, folder / "pytorch_model.bin")  # noqa: TID251 - to be refused
    _cached(tmp_path, "someone/bad", *folder.iterdir())
    with pytest.raises(ModelError, match="hold more than tensors"):
        install_trunk("hf-hub:someone/bad")
    assert not (tmp_path / "sprung").exists()


class Trap:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)
