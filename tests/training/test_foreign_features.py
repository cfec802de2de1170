"""HistoSPACE+ on another trunk: from the cohort through the package to a scored prediction."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from builders.cohorts import make_section
from builders.sections import make_section_files
from builders.slide_files import MPP
from builders.trunks import UNI_SHAPE, make_trunk

import histospace_core.api as hs
from histospace_core.errors import Cancelled, CohortError, ModelError
from histospace_core.networks import HistoSPACEPlus, ModelPackage, load_package
from histospace_core.networks.foreign_trunk import ForeignTrunk
from histospace_core.networks.histospace_plus import PLUS_VIEWS
from histospace_core.networks.trunks import install_trunk, open_trunk
from histospace_core.progress import Progress, no_progress
from histospace_core.settings import get_settings
from histospace_core.training import (
    MENDED,
    SectionData,
    evaluate_cohort,
    read_cohort,
    train_from_cohort,
    with_trunk,
)
from histospace_core.training.foreign_features import foreign_features
from histospace_core.training.histospace_plus import POSES
from histospace_core.training.recipe import PLUS

QUICK = PLUS.with_(autoencoder_epochs=1, epochs=1, batch=16, n_programmes=3)
PATIENTS = {"A1": "A", "B1": "B"}


def make_cohort(folder: Path, side: int, sections: dict[str, str] = PATIENTS) -> Path:
    rows = []
    for seed, (name, patient) in enumerate(sections.items()):
        files = make_section_files(folder, name, seed, side)
        rows.append((name, patient, *(f.name for f in files), MPP))
    columns = ["section", "patient", "image", "counts", "spots", "mpp"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("cohort"), 900)


def through(
    cohort: Path, trunk: Path, work: Path, stride_um: float | None = None
) -> tuple[ModelPackage, dict[str, Any]]:
    """Train on a trunk, predict the first section and compare it; return package and settings."""
    recipe = with_trunk(QUICK, str(trunk))
    package = train_from_cohort(
        cohort, work / "model", network="histospace-plus", recipe=recipe, device="cpu"
    )
    section = read_cohort(cohort)[0]
    run = hs.predict(
        section.image, model=package, out=work / "run", mpp=MPP, device="cpu", stride_um=stride_um
    )
    assert np.isfinite(run.matrix()).all()
    assert run.obs["domain_score"].between(0, 1).any()
    found = hs.compare(
        run,
        section.counts,
        out=work / "comparison",
        spots=section.spots,
        slide=section.image,
        model=package,
        device="cpu",
    )
    assert np.isfinite(found.summary["at_spots"]["per_gene_pearson"])
    assert found.summary["at_spots"]["mean_profile_per_spot_pearson"] is not None
    settings: dict[str, Any] = json.loads((work / "run" / "run.json").read_text())["settings"]
    return package, settings


@pytest.fixture(scope="module")
def views() -> SectionData:
    """Three spots in five views."""
    base = make_section("A1", "A", 3)
    side = PLUS_VIEWS[0].px + 8
    cut = tuple(base.views[0][:, :side, i : i + side] for i in range(len(PLUS_VIEWS)))
    return SectionData(base.section, cut, base.measured, (4,) * len(PLUS_VIEWS))


def features_of(trunk: ForeignTrunk, *sections: SectionData) -> list[np.ndarray]:
    return list(foreign_features(trunk, sections, POSES, no_progress))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "densenet121"])
def test_from_the_cohort_to_a_scored_prediction(
    cohort: Path, own_store: Path, tmp_path: Path, architecture: str
) -> None:
    arguments = None if architecture.startswith("vit") else {}
    folder = make_trunk(tmp_path / "mine", architecture, arguments)
    package, settings = through(cohort, folder, tmp_path)
    trunk = package.config["arguments"]["trunk"]
    assert trunk.items() >= {"name": "mine", "source": "a folder", "licence": "CC0-1.0"}.items()
    size = sum(f.stat().st_size for f in package.directory.iterdir())
    assert size < 15e6, "without the weights of the trunk"
    assert "`mine` (from a folder)" in package.card
    assert "**CC0-1.0**" in package.card
    assert trunk["sha256"] in package.card
    assert package.config["metrics"]["mean_profile"]["mse_ratio_to_mean"] == 1
    assert settings["arithmetic"] == "fp32"
    assert "does not know the trunk 'mine'" in settings["kernel_note"]
    file = get_settings().trunks_dir / "mine" / "model.safetensors"
    file.unlink()
    with pytest.raises(ModelError, match="needs the trunk 'mine'"):
        load_package(package.directory).load()
    (file.parent / "config.json").unlink()
    file.parent.rmdir()
    install_trunk(str(folder))
    assert isinstance(load_package(package.directory).load()[0], HistoSPACEPlus)


def test_an_evaluation_computes_features_once(
    cohort: Path, own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = with_trunk(QUICK, str(make_trunk(tmp_path / "mine")))
    seen: list[int] = []
    plain = ForeignTrunk.forward

    def counted(trunk: ForeignTrunk, pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return plain(trunk, pixels)

    monkeypatch.setattr(ForeignTrunk, "forward", counted)

    def evaluate(out: str) -> dict[str, Any]:
        return evaluate_cohort(
            cohort, tmp_path / out, network="histospace-plus", recipe=recipe, device="cpu"
        )

    first, n_first = evaluate("first"), sum(seen)
    again, n_again = evaluate("again"), sum(seen) - n_first
    spots = sum(row["n_spots"] for row in first["folds"])
    assert n_first == spots * 5 * (8 + 1), "eight poses for training, one to predict"
    assert n_again == spots * 5
    for one, other in zip(first["folds"], again["folds"], strict=True):
        assert one["per_gene_pearson"] == other["per_gene_pearson"]
    assert first["protocol"]["recipe"]["trunk"]["name"] == "mine"


def test_a_stored_network_has_the_same_features(own_store: Path, tmp_path: Path) -> None:
    record = install_trunk(str(make_trunk(tmp_path / "mine")))
    network = HistoSPACEPlus(5, 3, asdict(record)).eval()
    state = network.state_dict()
    assert not [k for k in state if k.startswith("trunk.encoder")]
    assert [k for k in state if k.startswith("trunk.texture")]
    other = HistoSPACEPlus(5, 3, asdict(record)).eval()
    other.load_state_dict(state)
    pixels = [torch.rand(2, 3, v.px, v.px) for v in PLUS_VIEWS]
    with torch.no_grad():
        features = network.encode(*pixels)
        assert torch.equal(other.encode(*pixels), features)
        assert features.shape == (2, network.n_tuned + 5 * 32 + 48)
        assert torch.equal(network.pool(features), network.pool_views(*pixels[:2]))
    del state["trunk.texture.stem.0.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*trunk.texture.stem.0.weight"):
        other.load_state_dict(state)


def test_other_pixels_poses_and_trunks_have_entries_of_their_own(
    views: SectionData, own_store: Path, tmp_path: Path
) -> None:
    one = open_trunk(install_trunk(str(make_trunk(tmp_path / "one"))))
    other = open_trunk(install_trunk(str(make_trunk(tmp_path / "other", pooling="class+mean"))))
    features = features_of(one, views)
    assert [f.shape for f in features] == [(3, 8, 32)] * 5
    folder = get_settings().features_dir
    assert len(list(folder.iterdir())) == 5 * 8
    features_of(other, views)
    assert len(list(folder.iterdir())) == 2 * 5 * 8
    changed = views.views[0].copy()
    changed[0, 0, 0, 0] ^= 1
    moved = replace(views, views=(changed, *views.views[1:]))
    features_of(one, moved)
    assert len(list(folder.iterdir())) == 2 * 5 * 8 + 8


def test_damaged_entries_and_a_full_disk_change_nothing(
    views: SectionData, own_store: Path, tmp_path: Path
) -> None:
    trunk = open_trunk(install_trunk(str(make_trunk(tmp_path / "one"))))
    features = features_of(trunk, views)
    folder = get_settings().features_dir
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    for found, expected in zip(features_of(trunk, views), features, strict=True):
        np.testing.assert_array_equal(found, expected)
    shutil.rmtree(folder)
    folder.write_text("no folder can be made here")
    notes: list[str] = []
    again = list(foreign_features(trunk, [views], POSES, lambda e: notes.append(e.note)))
    for found, expected in zip(again, features, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert notes[-1].startswith("120 of 120 tiles, features are not kept for later")


def test_batches_are_halved_when_memory_runs_out(
    views: SectionData, own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = open_trunk(install_trunk(str(make_trunk(tmp_path / "one"))))
    expected = features_of(trunk, views)
    shutil.rmtree(get_settings().features_dir)
    plain = ForeignTrunk.forward
    most = 2

    def short(self: ForeignTrunk, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > most:
            raise MemoryError
        return plain(self, pixels)

    monkeypatch.setattr(ForeignTrunk, "forward", short)
    notes: list[str] = []
    found = list(foreign_features(trunk, [views], POSES, lambda e: notes.append(e.note)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert "memory is short: 2 tiles at a time" in notes[-1]
    most = 0
    shutil.rmtree(get_settings().features_dir)
    with pytest.raises(ModelError, match="not enough memory to run the trunk 'one'"):
        features_of(trunk, views)


def test_a_training_can_be_stopped_between_batches(
    views: SectionData, own_store: Path, tmp_path: Path
) -> None:
    trunk = open_trunk(install_trunk(str(make_trunk(tmp_path / "one"))))

    def stop(event: Progress) -> None:
        if event.note.startswith("30 of"):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(foreign_features(trunk, [views], POSES, stop))
    assert len(list(get_settings().features_dir.iterdir())) == 9, "the tenth was not finished"


def test_only_histospace_plus_takes_a_trunk(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="add --network histospace-plus"):
        with_trunk(MENDED, "vit")
    assert with_trunk(PLUS, "efficientnet-lite0") is PLUS
    assert "trunk" not in PLUS.to_dict(), "records of the default stay as they were"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_transformer_of_the_shape_of_uni(own_store: Path, tmp_path: Path) -> None:
    folder = make_trunk(tmp_path / "uni", "vit_large_patch16_224", UNI_SHAPE, side=224)
    cohort = make_cohort(tmp_path / "cohort", 900, {"A1": "A"})  # the fewest spots to compare
    package, _ = through(cohort, folder, tmp_path, stride_um=100)
    assert package.config["arguments"]["trunk"]["n_features"] == 1024
    assert (package.directory / "model.safetensors").stat().st_size < 15e6
