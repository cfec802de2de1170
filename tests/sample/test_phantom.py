"""The phantom: a section that looks like H&E, and counts whose truth is known."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histospace_core.errors import StoreError
from histospace_core.expression import check_alignment, normalise, read_measured, reconcile_genes
from histospace_core.sample import LABEL, Phantom, make_phantom
from histospace_core.sample.histology import lay_out
from histospace_core.sample.profiles import HOUSEKEEPING, MARKERS
from histospace_core.slides.open import open_slide
from histospace_core.slides.tissue import find_tissue


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phantom")


@pytest.fixture(scope="module")
def phantom(folder: Path) -> Phantom:
    return make_phantom(folder)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_slide_opens_with_its_pixel_size_and_pyramid(phantom: Phantom) -> None:
    with open_slide(phantom.image) as slide:
        assert slide.mpp == pytest.approx(phantom.mpp)
        assert slide.properties.mpp_source == "file"
        assert (slide.width, slide.height) == (4800, 4400)
        assert len(slide.properties.level_downsamples) > 3


def test_it_is_labelled_as_a_phantom(phantom: Phantom) -> None:
    assert phantom.label == LABEL == "phantom, not patient tissue"
    with tifffile.TiffFile(phantom.image) as tiff:
        assert LABEL in (tiff.ome_metadata or "")
    assert all(path.name.startswith("phantom") for path in phantom.image.parent.iterdir())


def test_tumour_is_bluer_than_stroma_and_fat_is_empty(phantom: Phantom) -> None:
    centres = read_measured(phantom.counts, phantom.spots).obsm["spatial"]
    with open_slide(phantom.image) as slide:
        spots = np.array([slide.read(x - 72, y - 72, 144, 144, 36, 36) for x, y in centres])
    red, blue = spots[..., 0].mean(axis=(1, 2)), spots[..., 2].mean(axis=(1, 2))
    share = phantom.composition
    tumour, stroma, fat = (share[r].to_numpy() > 0.8 for r in ("tumour", "stroma", "fat"))
    assert min(tumour.sum(), stroma.sum(), fat.sum()) >= 8
    assert (blue - red)[tumour].min() > (blue - red)[stroma].max()
    assert red[fat].min() > red[stroma].mean()


def test_counts_follow_the_truth(phantom: Phantom) -> None:
    adata = read_measured(phantom.counts, phantom.spots)
    assert adata.n_obs >= 150
    assert adata.n_vars > 300
    truth = phantom.truth.loc[adata.obs_names, adata.var_names]
    assert truth.sum(axis=1).to_numpy() == pytest.approx(1e4, rel=1e-3)
    measured = normalise(adata, "cp10k").mean(axis=0)
    assert np.corrcoef(np.log(measured + 1), np.log(truth.mean() + 1))[0, 1] > 0.98
    for region, marker in {
        "tumour": "ERBB2",
        "stroma": "COL1A1",
        "immune": "CD74",
        "fat": "PLIN1",
    }.items():
        share = phantom.composition.loc[adata.obs_names, region]
        r = np.corrcoef(normalise(adata, genes=[marker])[:, 0], share)[0, 1]
        assert r > 0.4, (region, marker)


def test_spots_lie_on_its_tissue(phantom: Phantom) -> None:
    adata = read_measured(phantom.counts, phantom.spots)
    with open_slide(phantom.image) as slide:
        tissue = find_tissue(slide)
    downsample = (tissue.downsample_x, tissue.downsample_y)
    found = check_alignment(adata.obsm["spatial"], tissue.mask, downsample)
    assert found.verdict == "aligned"
    assert found.on_tissue > 0.9
    distance = np.sort(np.linalg.norm(adata.obsm["spatial"] - adata.obsm["spatial"][0], axis=1))[1]
    assert distance * phantom.mpp == pytest.approx(200, abs=0.1)


def test_every_gene_is_a_real_one_and_named_once() -> None:
    genes = [*HOUSEKEEPING.split(), *" ".join(MARKERS.values()).split()]
    assert len(set(genes)) == len(genes)
    assert set(reconcile_genes(genes)["how"]) == {"symbol"}


def test_made_once_and_repaired_when_spoilt(phantom: Phantom, folder: Path) -> None:
    before, made = digests(folder), phantom.image.stat().st_mtime_ns
    make_phantom(folder)
    assert phantom.image.stat().st_mtime_ns == made
    phantom.counts.write_bytes(b"spoilt")
    again = make_phantom(folder)
    assert digests(folder) == before
    assert again.truth.equals(phantom.truth)


def test_another_seed_is_another_section() -> None:
    one, other = (lay_out(np.random.default_rng(seed), (1600, 1600)) for seed in (0, 1))
    assert not np.array_equal(one.tissue, other.tissue)
    assert 0.4 < other.tissue.mean() < 0.9


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="the sample cannot be written"):
        make_phantom(tmp_path / "file" / "folder")
