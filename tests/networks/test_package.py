"""Model packages: round trip, and every way one can be wrong."""

import json
import pickle  # noqa: TID251 - to show that it is refused
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.packages import GENES, make_package
from safetensors.torch import load_file, save_file

from histospace_core.errors import ModelError
from histospace_core.files import sha256
from histospace_core.networks import Predictor, list_packages, load_package, pick_device


def test_round_trip(tmp_path: Path) -> None:
    saved = make_package(tmp_path)
    loaded = load_package("small", [tmp_path])
    assert loaded.genes["gene"].tolist() == list(GENES)
    assert loaded.sha256 == saved.sha256
    assert loaded.tile_um == pytest.approx(88.32)
    assert torch.allclose(loaded.load()[0].mean_profile, torch.linspace(0.1, 1.0, len(GENES)))


def test_a_gene_named_nan_stays_a_gene(tmp_path: Path) -> None:
    make_package(tmp_path, genes=("NaN", "NA", "ERBB2"))
    assert load_package(tmp_path / "small").genes["gene"].tolist() == ["NaN", "NA", "ERBB2"]


def test_an_existing_package_is_not_overwritten(tmp_path: Path) -> None:
    make_package(tmp_path)
    with pytest.raises(ModelError, match="exists already"):
        make_package(tmp_path)


def test_unknown_model_names_those_installed(tmp_path: Path) -> None:
    make_package(tmp_path)
    with pytest.raises(ModelError, match="the installed models are: small"):
        load_package("absent", [tmp_path])


@pytest.mark.parametrize("file", ["model.safetensors", "genes.csv"])
def test_missing_file_is_named(tmp_path: Path, file: str) -> None:
    (make_package(tmp_path).directory / file).unlink()
    with pytest.raises(ModelError, match=f"lacks {file}"):
        load_package(tmp_path / "small")


def test_tampered_weights_are_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    weights = package.directory / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        package.load()


def _rehash(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    config["weights_sha256"] = sha256(directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config))


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    weights = package.directory / "model.safetensors"
    state = load_file(weights)
    state["head.6.weight"] = torch.zeros(2, 256)
    save_file(state, weights)
    _rehash(package.directory)
    with pytest.raises(ModelError, match="do not fit"):
        load_package(package.directory).load()


def test_a_pickle_in_place_of_weights_is_never_executed(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    package = make_package(tmp_path)
    (package.directory / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    _rehash(package.directory)
    with pytest.raises(ModelError, match="do not fit"):
        load_package(package.directory).load()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "unheard-of"}, "does not know"),
        ({"arguments": {"n_genes": 99}}, "lists 5 genes but predicts another number"),
        ({"tile_px": None}, "does not state tile_px"),
    ],
)
def test_inconsistent_config(tmp_path: Path, change: dict, message: str) -> None:
    directory = make_package(tmp_path).directory
    config = json.loads((directory / "config.json").read_text()) | change
    config = {k: v for k, v in config.items() if v is not None}
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        load_package(directory)


def test_damaged_config_is_left_out_of_the_list(tmp_path: Path) -> None:
    make_package(tmp_path, "good")
    (make_package(tmp_path, "bad").directory / "config.json").write_text("{")
    assert [p.name for p in list_packages([tmp_path])] == ["good"]


def test_predictor_does_not_depend_on_the_batch(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    tiles = np.random.default_rng(1).integers(0, 256, (11, 128, 128, 3), dtype=np.uint8)
    with Predictor(package, "cpu", batch_size=4) as small, Predictor(package, "cpu") as large:
        (a, domain_a), (b, domain_b) = small(tiles), large(tiles)
    assert a.shape == (11, len(GENES))
    np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(domain_a, domain_b, atol=1e-3)


def test_batch_shrinks_until_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Predictor(make_package(tmp_path), "cpu", batch_size=8) as predict:
        tiles = np.zeros((9, 128, 128, 3), np.uint8)
        whole, _ = predict(tiles)
        run = predict._batch

        def small_memory(views: list[np.ndarray]) -> tuple:
            if len(views[0]) > 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return run(views)

        monkeypatch.setattr(predict, "_batch", small_memory)
        np.testing.assert_allclose(predict(tiles)[0], whole, atol=1e-5)
        assert predict.batch_size == 2


def test_another_error_is_not_taken_for_memory(tmp_path: Path) -> None:
    with Predictor(make_package(tmp_path), "cpu") as predict, pytest.raises(RuntimeError):
        predict(np.zeros((1, 20, 20, 3), np.uint8))


def test_the_gpu_of_a_mac_is_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for cuda, chosen in (False, "cpu"), (True, "cuda"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda known=cuda: known)
        assert pick_device("auto").type == chosen
    with pytest.raises(ModelError, match=r"^Device mps .* choose auto or cpu\.$"):
        pick_device("mps")
