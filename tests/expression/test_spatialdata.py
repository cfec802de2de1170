"""Stores are read as spatialdata itself reads them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.checkout import PROJECT
from builders.measured import GENES
from builders.spatialdata_stores import add_circles, add_image, add_table, write_store

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice
from histospace_core.expression.measured import read_measured
from histospace_core.expression.spaceranger import read_spaceranger
from histospace_core.expression.spatialdata import read_spatialdata

SCRIPT = PROJECT / "tests" / "interop" / "spatialdata_reference.py"
CHOICES = {"hd": Choice(bin="8um"), "two": Choice(library="S2-b")}
NAMES = (
    *("visium1", "visium2", "visium3", "geoarrow", "moved", "two", "hd"),
    *("transcripts", "outlines", "circles"),
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores that spatialdata-io wrote, each with the library's own numbers beside it."""
    folder = tmp_path_factory.mktemp("stores")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, folder],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_counts_and_positions_are_the_librarys(stores: Path, name: str) -> None:
    expected = np.load(stores / f"{name}.npz")
    raw = read_spatialdata(stores / f"{name}.zarr", CHOICES.get(name, Choice()))
    assert raw.spots == expected["spots"].tolist()
    assert raw.names == expected["genes"].tolist()
    np.testing.assert_array_equal(raw.counts.toarray(), expected["counts"])
    np.testing.assert_allclose(raw.centres, expected["centres"], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_store_of_visium_equals_the_folder_it_was_made_from(stores: Path) -> None:
    store, folder = read_spatialdata(stores / "visium3.zarr"), read_spaceranger(stores / "visium")
    assert store.spots == folder.spots
    assert store.names == folder.names
    assert store.gene_ids == folder.gene_ids
    assert store.spot_diameter == folder.spot_diameter
    np.testing.assert_array_equal(store.counts.toarray(), folder.counts.toarray())
    np.testing.assert_allclose(store.centres, folder.centres, atol=1e-6)


@pytest.mark.slow
def test_the_folder_is_read_as_by_squidpy(stores: Path) -> None:
    expected, folder = np.load(stores / "squidpy.npz"), read_spaceranger(stores / "visium")
    assert folder.spots == expected["spots"].tolist()
    assert folder.names == expected["genes"].tolist()
    np.testing.assert_array_equal(folder.counts.toarray(), expected["counts"])
    np.testing.assert_allclose(folder.centres, expected["centres"], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_store_of_visium_hd_equals_the_folder_it_was_made_from(stores: Path) -> None:
    eight = Choice(bin="8um")
    store, folder = (read_measured(stores / name, None, eight) for name in ("hd.zarr", "hd"))
    assert store.obs_names.tolist() == folder.obs_names.tolist()
    assert (store.X != folder.X).nnz == 0
    np.testing.assert_allclose(store.obsm["spatial"], folder.obsm["spatial"], atol=1e-6)


@pytest.mark.slow
def test_a_store_of_xenium_equals_the_folder_it_was_made_from(stores: Path) -> None:
    store, folder = (read_measured(stores / name) for name in ("transcripts.zarr", "xenium"))
    assert store.obs_names.tolist() == folder.obs_names.tolist()
    assert store.var["gene_id"].tolist() == folder.var["gene_id"].tolist()
    assert (store.X != folder.X).nnz == 0
    np.testing.assert_allclose(store.obsm["spatial"], folder.obsm["spatial"], atol=1e-6)
    assert store.uns["histospace"]["notes"][1:] == folder.uns["histospace"]["notes"][1:]


@pytest.mark.slow
def test_xenium_without_the_slide_is_refused(stores: Path) -> None:
    with pytest.raises(MeasurementError, match="the store holds no H&E image"):
        read_spatialdata(stores / "no_slide.zarr")


@pytest.fixture
def centres() -> np.ndarray:
    return np.random.default_rng(3).uniform(100, 900, (6, 2))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_table_of_spots(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray, zarr_format: int
) -> None:
    root = write_store(tmp_path / "S.zarr", zarr_format)
    add_circles(root, "spots", centres)
    add_table(root, "table", counts, ["spots"], in_tissue=[1, 1, 1, 1, 1, 0])
    adata = read_measured(tmp_path / "S.zarr")
    assert adata.obs_names.tolist() == [f"spot{i}" for i in range(5)]
    assert adata.var_names.tolist() == GENES
    np.testing.assert_array_equal(adata.X.toarray(), counts[:5])
    np.testing.assert_array_equal(adata.obsm["spatial"], centres[:5])
    assert adata.uns["histospace"]["spot_diameter_px"] == 60
    assert adata.uns["histospace"]["notes"][:2] == [
        "The store holds no full-resolution H&E image; the coordinate system global is taken for "
        "the pixels of the slide.",
        "1 spots are not under tissue and were left out.",
    ]


def test_positions_are_in_pixels_of_the_slide_in_the_store(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray
) -> None:
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "spots", centres)
    add_table(root, "table", counts, ["spots"])
    add_image(root, "S_hires_image", 50, 10.0)
    add_image(root, "dapi", 50, 1.0, labels="d")
    add_image(root, "slide", 200, 4.0)
    raw = read_spatialdata(tmp_path / "S.zarr")
    np.testing.assert_allclose(raw.centres, centres / 4)
    assert raw.spot_diameter == 15
    assert raw.notes == ["Positions are in pixels of the image slide (200 x 200)."]
    add_image(root, "other", 100, 8.0)
    with pytest.raises(MeasurementError, match=r"2 images could be the slide \(other, slide\)"):
        read_spatialdata(tmp_path / "S.zarr")


def test_several_tables_and_regions_are_named(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray
) -> None:
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "a", centres)
    add_circles(root, "b", centres + 7)
    add_table(root, "pair", counts, ["a", "b"])
    with pytest.raises(MeasurementError, match=r"holds 2 libraries \(a, b\).*--library a"):
        read_spatialdata(tmp_path / "S.zarr")
    raw = read_spatialdata(tmp_path / "S.zarr", Choice(library="b"))
    np.testing.assert_array_equal(raw.counts.toarray(), counts[3:])
    np.testing.assert_array_equal(raw.centres, centres[3:] + 7)
    assert "3 rows of other regions were left out." in raw.notes
    add_table(root, "single", counts, ["a"])
    with pytest.raises(MeasurementError, match=r"holds 3 libraries \(a, b, single\)"):
        read_spatialdata(tmp_path / "S.zarr")


def test_bins_are_chosen_by_size(tmp_path: Path, counts: np.ndarray, centres: np.ndarray) -> None:
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "bins", centres)
    for name in ("square_008um", "square_016um"):
        add_table(root, name, counts + (name == "square_016um"), ["bins"])
    with pytest.raises(MeasurementError, match=r"holds 2 bin sizes \(008, 016\)"):
        read_spatialdata(tmp_path / "S.zarr")
    for given in ("16", "016", "16um", "square_016um"):
        raw = read_spatialdata(tmp_path / "S.zarr", Choice(bin=given))
        np.testing.assert_array_equal(raw.counts.toarray(), counts + 1)
    with pytest.raises(MeasurementError, match="holds no bin size '002'"):
        read_spatialdata(tmp_path / "S.zarr", Choice(bin="2"))


def test_what_cannot_be_read_is_said(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray
) -> None:
    root = write_store(tmp_path / "S.zarr")
    with pytest.raises(MeasurementError, match="holds no table of SpatialData"):
        read_spatialdata(tmp_path / "S.zarr")
    add_table(root, "table", counts, ["spots"])
    with pytest.raises(MeasurementError, match="spots, which is not among the shapes"):
        read_spatialdata(tmp_path / "S.zarr")
    add_circles(root, "spots", centres[:4])
    with pytest.raises(MeasurementError, match="2 rows of tables/table have no shape"):
        read_spatialdata(tmp_path / "S.zarr")
    add_circles(root, "cells", centres, radius=np.arange(6) + 3.0)
    add_table(root, "others", counts, ["cells"])
    with pytest.raises(MeasurementError, match="holds cells, and their size in um is known"):
        read_spatialdata(tmp_path / "S.zarr", Choice(library="others"))


def test_normalised_values_are_refused(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray
) -> None:
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "spots", centres)
    add_table(root, "table", np.log1p(counts), ["spots"])
    with pytest.raises(MeasurementError, match="raw counts"):
        read_measured(tmp_path / "S.zarr")


def test_in_tissue_is_read_in_every_spelling(
    tmp_path: Path, counts: np.ndarray, centres: np.ndarray
) -> None:
    flags = ["yes", "TRUE", "1", "no", "F", "0"]
    root = write_store(tmp_path / "S.zarr")
    add_circles(root, "spots", centres)
    add_table(root, "table", counts, ["spots"], in_tissue=flags)
    raw = read_spatialdata(tmp_path / "S.zarr")
    assert raw.spots == ["spot0", "spot1", "spot2"]
    assert "3 spots are not under tissue and were left out." in raw.notes
    add_table(root, "table2", counts, ["spots"], in_tissue=[*flags[:5], "perhaps"])
    with pytest.raises(MeasurementError, match="in_tissue of spot spot5 is 'perhaps'"):
        read_spatialdata(tmp_path / "S.zarr", Choice(library="table2"))
