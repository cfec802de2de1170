"""`read_measured` tells formats apart by content and brings all into one form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import normalise, read_measured

# section -> spots, genes, median counts of a spot, as the data's own README has them
HER2ST = {
    "B4": (283, 15_289, 648),
    "C2": (187, 15_706, 8_508),
    "C3": (180, 15_821, 9_549),
    "C4": (184, 15_842, 10_191),
    "C5": (181, 15_721, 10_015),
}


@pytest.mark.shared
@pytest.mark.parametrize("section", HER2ST)
def test_her2st_gives_the_figures_of_its_readme(shared: Path, section: str) -> None:
    folder = shared / "her2st"
    adata = read_measured(
        folder / f"ST-cnts/{section}.tsv.gz", folder / f"ST-spotfiles/{section}_selection.tsv"
    )
    n_spots, n_genes, median = HER2ST[section]
    assert adata.shape == (n_spots, n_genes)
    assert np.median(adata.obs["total_counts"]) == pytest.approx(median, abs=1)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.obsm["spatial"].dtype == np.float64
    report = adata.uns["histospace"]["gene_report"]
    assert report["unknown"] < 0.006 * n_genes
    assert (adata.var["gene_id"] != "").mean() > 0.99


@pytest.mark.shared
def test_mouse_olfactory_bulb_with_float_counts_and_versioned_ids(shared: Path) -> None:
    folder = shared / "mouse_olfactory_bulb"
    adata = read_measured(folder / "Rep9.tsv.gz", folder / "Rep9_selection.tsv")
    assert adata.shape == (237, 21_081)
    assert {"Eomes", "Gad1", "Penk"} <= set(adata.var_names)
    assert adata.var["gene_id"].str.fullmatch(r"ENSMUSG\d{11}").all()
    assert float(adata.X.max()) > 1


def test_all_formats_of_one_section_agree(
    legacy: tuple[Path, Path],
    spaceranger: Path,
    write_h5ad: Callable[..., Path],
    counts: np.ndarray,
) -> None:
    old = read_measured(*legacy)
    new = read_measured(spaceranger)
    any_ = read_measured(write_h5ad())
    assert old.X.toarray().tolist() == counts[1:].tolist()
    assert new.X.toarray().tolist() == counts[:5].tolist()
    assert any_.X.toarray().tolist() == counts.tolist()
    for adata in (old, new, any_):
        assert adata.var.equals(old.var)
        assert np.allclose(normalise(adata).sum(), normalise(adata.X).sum())


def test_content_decides_not_the_name(write_h5ad: Callable[..., Path]) -> None:
    path = write_h5ad()
    disguised = path.with_name("S.tsv.gz")
    path.rename(disguised)
    assert read_measured(disguised).n_obs == 6


def test_form_survives_a_round_trip_through_h5ad(legacy: tuple[Path, Path], tmp_path: Path) -> None:
    adata = read_measured(*legacy)
    adata.copy().write_h5ad(tmp_path / "kept.h5ad")  # writing turns text columns categorical
    again = read_measured(tmp_path / "kept.h5ad")
    assert (again.X != adata.X).nnz == 0
    assert again.var.equals(adata.var)
    assert np.array_equal(again.obsm["spatial"], adata.obsm["spatial"])


def test_table_without_spots_names_the_option(legacy: tuple[Path, Path]) -> None:
    with pytest.raises(MeasurementError, match=r"S\.tsv\.gz: .*--spots"):
        read_measured(legacy[0])


def test_missing_spot_file(legacy: tuple[Path, Path]) -> None:
    with pytest.raises(MeasurementError, match=r"gone\.tsv: there is no such spot file"):
        read_measured(legacy[0], legacy[1].with_name("gone.tsv"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"nothing\.h5ad: there is no such file"):
        read_measured(tmp_path / "nothing.h5ad")


def test_spots_with_a_format_that_has_its_own(spaceranger: Path, legacy: tuple[Path, Path]) -> None:
    with pytest.raises(MeasurementError, match="leave out --spots"):
        read_measured(spaceranger, legacy[1])


def test_a_bare_10x_matrix_has_no_positions(spaceranger: Path) -> None:
    with pytest.raises(MeasurementError, match="has no positions; give the Space Ranger folder"):
        read_measured(spaceranger / "filtered_feature_bc_matrix.h5")
