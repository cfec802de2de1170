"""The main path on a real small slide: content, order, resume, refusal."""

import json
import shutil
from pathlib import Path

import anndata
import numpy as np
import pytest
from builders.packages import GENES, make_package
from builders.slide_files import MPP, make_slide

from histospace_core.errors import Cancelled, StoreError
from histospace_core.inference import layout, open_prediction, predict_slide
from histospace_core.networks import ModelPackage, Predictor
from histospace_core.progress import Progress
from histospace_core.slides.open import open_slide
from histospace_core.slides.tiles import tiles_at
from histospace_core.slides.tissue import find_tissue


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slide(tmp_path_factory.mktemp("slide") / "slide.png")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return make_package(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def run_dir(
    slide_file: Path, package: ModelPackage, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    with open_slide(slide_file, MPP) as slide:
        predict_slide(slide, package, run, fast=False)
    return run


def test_each_tile_holds_what_the_network_says_of_the_pixels_around_its_centre(
    slide_file: Path, package: ModelPackage, run_dir: Path
) -> None:
    prediction = open_prediction(run_dir)
    with open_slide(slide_file, MPP) as slide, Predictor(package, "cpu") as predict:
        expected, domain = predict(tiles_at(slide, prediction.centres))
    np.testing.assert_allclose(prediction.matrix(), expected, atol=1e-3)  # float16
    np.testing.assert_allclose(prediction.obs["domain_score"], domain, atol=1e-3)


def test_a_run_keeps_the_slides_picture_and_the_models_scores(
    slide_file: Path, package: ModelPackage, run_dir: Path
) -> None:
    prediction = open_prediction(run_dir)
    with open_slide(slide_file, MPP) as slide:
        expected = find_tissue(slide).overview
    assert prediction.overview is not None
    assert expected is not None
    assert prediction.overview.shape == expected.shape
    difference = np.abs(prediction.overview.astype(float) - expected.astype(float))
    assert difference.mean() < 8, "but for JPEG's loss"
    assert prediction.record.model.metrics == package.config["metrics"]
    assert prediction.to_anndata().uns["histospace"]["model"]["metrics"]["held_out_by"] == "patient"


def test_one_gene_is_its_column(run_dir: Path) -> None:
    prediction = open_prediction(run_dir)
    for i, gene in enumerate(GENES):
        np.testing.assert_array_equal(prediction.gene(gene), prediction.matrix()[:, i])
    with pytest.raises(StoreError, match="no gene 'XYZ'"):
        prediction.gene("XYZ")


def test_one_gene_is_read_without_the_others(run_dir: Path) -> None:
    """Damage the bytes of the last gene: the first still reads, the last does not."""
    copy = run_dir.with_name("damaged")
    shutil.copytree(run_dir, copy)
    files = [p for p in (layout.store_path(copy) / "X" / "c").rglob("*") if p.is_file()]
    assert len(files) == 1
    data = bytearray(files[0].read_bytes())
    index = 16 * len(GENES) + 4
    entries = np.frombuffer(data[-index:-4], "<u8").reshape(-1, 2)
    offset, size = (int(v) for v in entries[-1])
    data[offset : offset + size] = bytes(size)
    files[0].write_bytes(bytes(data))
    assert np.isfinite(open_prediction(copy).gene(GENES[0])).all()
    with pytest.raises(Exception, match=r".+"):
        open_prediction(copy).gene(GENES[-1])


def test_it_is_an_anndata_store_with_scores_and_provenance(run_dir: Path) -> None:
    adata = anndata.read_zarr(layout.store_path(run_dir))
    assert adata.shape == (open_prediction(run_dir).n_tiles, len(GENES))
    assert adata.var_names.tolist() == list(GENES)
    assert {"held_out_pearson", "mse_ratio_to_mean", "reliable", "training_mean"} <= set(adata.var)
    assert (adata.obs["qc"] == "ok").all()
    record = json.loads((run_dir / "run.json").read_text())
    assert adata.uns["histospace"]["slide"]["sha256"] == record["slide"]["sha256"]
    assert record["slide"]["mpp"] == MPP
    assert record["slide"]["mpp_source"] == "user"
    assert record["tiles"]["by_reason"] == {"ok": adata.n_obs}
    assert record["model"]["sha256"]
    assert record["timings"]["seconds"] > 0
    assert "Research use only" in record["notice"]


def test_a_run_tells_what_is_left_of_it_to_its_end(
    slide_file: Path,
    package: ModelPackage,
    tmp_path: Path,
    own_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[Progress] = []
    monkeypatch.setattr("histospace_core.inference.duration._SOONEST_S", 0.0)
    with open_slide(slide_file, MPP) as slide:
        run = predict_slide(slide, package, tmp_path / "run", fast=False, on_progress=events.append)
    encoding = [e for e in events if e.stage == "predicting"]
    storing = [e for e in events if e.stage == "storing the map"]
    assert events == [*encoding, *storing]
    assert len(storing) > 1
    assert all(e.seconds_left is not None for e in [*encoding[1:], *storing])
    assert {(e.done, e.total) for e in storing} == {(run.n_tiles, run.n_tiles)}
    assert run.record.timings.storing_seconds is not None
    (kept,) = (json.loads(f.read_text()) for f in (own_store / "measured").iterdir())
    assert kept["found"]["tiles"] == run.n_tiles


def test_a_run_is_never_overwritten(slide_file: Path, package: ModelPackage, run_dir: Path) -> None:
    before = (run_dir / "run.json").read_bytes()
    with open_slide(slide_file, MPP) as slide, pytest.raises(StoreError, match="never overwritten"):
        predict_slide(slide, package, run_dir)  # fast, which the run is not
    assert (run_dir / "run.json").read_bytes() == before


def test_the_same_call_on_a_finished_run_returns_it(
    slide_file: Path, package: ModelPackage, run_dir: Path
) -> None:
    before = (run_dir / "run.json").read_bytes()
    left = layout.journal_path(run_dir)  # as if stopped after the last write
    left.mkdir()
    with open_slide(slide_file, MPP) as slide:
        again = predict_slide(slide, package, run_dir, fast=False)
    assert again.was_finished
    assert again.record == open_prediction(run_dir).record
    assert (run_dir / "run.json").read_bytes() == before
    assert not left.exists()


def test_a_cancelled_run_resumes_to_the_same_result(
    slide_file: Path,
    package: ModelPackage,
    run_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("histospace_core.slides.plan.CHUNK_TILES", 7)

    def stop(event: Progress) -> None:
        if event.done == event.total:  # what was finished before this last block stays
            raise Cancelled("stopped")

    run = tmp_path / "run"
    with open_slide(slide_file, MPP) as slide:
        with pytest.raises(Cancelled):
            predict_slide(slide, package, run, fast=False, on_progress=stop)
        with pytest.raises(StoreError, match="no finished prediction"):
            open_prediction(run)
        resumed = predict_slide(slide, package, run, fast=False)
    assert resumed.record.timings.tiles_from_earlier_attempt >= 7
    again, whole = open_prediction(run), open_prediction(run_dir)
    np.testing.assert_array_equal(again.matrix(), whole.matrix())
    np.testing.assert_array_equal(again.centres, whole.centres)
    assert again.obs.equals(whole.obs)
    assert [p.name for p in sorted(run.iterdir())] == [
        "overview.jpg", "prediction.zarr", "run.json",
    ]  # fmt: skip


def test_an_unfinished_run_of_other_settings_is_refused(
    slide_file: Path, package: ModelPackage, tmp_path: Path
) -> None:
    def stop(event: Progress) -> None:
        raise Cancelled("stopped")

    with open_slide(slide_file, MPP) as slide:
        with pytest.raises(Cancelled):
            predict_slide(slide, package, tmp_path / "run", on_progress=stop)
        with pytest.raises(StoreError, match="another slide, model or setting"):
            predict_slide(slide, package, tmp_path / "run", stride_um=44.16)


def test_a_smaller_stride_gives_more_tiles_on_the_same_tissue(
    slide_file: Path, package: ModelPackage, run_dir: Path, tmp_path: Path
) -> None:
    with open_slide(slide_file, MPP) as slide:
        dense = predict_slide(slide, package, tmp_path / "dense", stride_um=44.16)
    assert 3 < dense.n_tiles / open_prediction(run_dir).n_tiles < 5
    assert dense.record.tiles.stride_level0_px == pytest.approx(64)


def test_no_prediction_and_damage_are_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished prediction"):
        open_prediction(tmp_path)
