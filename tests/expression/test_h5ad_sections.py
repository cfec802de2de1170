"""Several sections in one `.h5ad`: never one on the slide of the other."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from builders.measured import GENES

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice
from histospace_core.expression.h5ad import read_h5ad
from histospace_core.expression.h5ad_sections import arrangement

DIAMETERS = {"A": 37.0, "B": 52.0}


def section(seed: int, n: int = 36, shift: float = 0.0) -> AnnData:
    """A square array of spots 100 px apart, with barcodes."""
    rng = np.random.default_rng(seed)
    side = int(n**0.5)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    codes = ["".join("ACGT"[(i >> 2 * k) % 4] for k in range(16)) + "-1" for i in range(n)]
    adata = AnnData(
        rng.poisson(4, (n, 5)).astype(np.float32) + 1,
        obs=pd.DataFrame(index=codes),
        var=pd.DataFrame(index=GENES),
    )
    adata.obsm["spatial"] = grid * 100.0 + shift
    return adata


def two(column: str | None, **how: object) -> AnnData:
    parts = {"A": section(0), "B": section(1, shift=30)}
    both = anndata.concat(parts, label=column, index_unique="-", **how)
    if column is None:
        both.obs_names = [f"{name[:-2]}" + name[-2:] for name in both.obs_names]
    return both


def library(diameter: float) -> dict[str, object]:
    return {"scalefactors": {"spot_diameter_fullres": diameter}}


@pytest.mark.parametrize(
    "column",
    ["library_id", "sample", "section", "batch", "orig.ident", "patient", "Sample_ID", None],
)
@pytest.mark.parametrize("named", [True, False], ids=["uns", "no uns"])
def test_two_sections_are_refused_and_each_can_be_chosen(
    tmp_path: Path, column: str | None, named: bool
) -> None:
    both = two(column)
    if named and column is not None:
        both.uns["spatial"] = {name: library(d) for name, d in DIAMETERS.items()}
    both.write_h5ad(tmp_path / "two.h5ad")
    with pytest.raises(MeasurementError, match=r"two\.h5ad: holds 2 libraries \(.*--library") as e:
        read_h5ad(tmp_path / "two.h5ad")
    assert e.value.alternatives is not None
    for name, alone, chosen in zip("AB", (0, 1), e.value.alternatives.names, strict=True):
        raw = read_h5ad(tmp_path / "two.h5ad", Choice(library=chosen))
        assert chosen == name or column is None
        assert raw.counts.toarray().tolist() == section(alone).X.tolist()
        assert raw.centres.tolist() == section(alone, shift=30 * alone).obsm["spatial"].tolist()
        assert raw.spot_diameter == (DIAMETERS[name] if named and column else None)
        assert raw.notes[0].startswith("36 of 72 spots are of library")


def test_a_name_that_is_none_of_them(tmp_path: Path) -> None:
    two("library_id").write_h5ad(tmp_path / "two.h5ad")
    with pytest.raises(MeasurementError, match="no library 'C'; choose one of: A, B"):
        read_h5ad(tmp_path / "two.h5ad", Choice(library="C"))
    section(0).write_h5ad(tmp_path / "one.h5ad")
    with pytest.raises(MeasurementError, match="nothing to choose by --library; leave it out"):
        read_h5ad(tmp_path / "one.h5ad", Choice(library="C"))


def test_what_is_left_of_two_keeps_its_own_scale(tmp_path: Path) -> None:
    both = two("library_id")
    both.uns["spatial"] = {name: library(d) for name, d in DIAMETERS.items()}
    both[both.obs["library_id"] == "B"].copy().write_h5ad(tmp_path / "b.h5ad")
    assert read_h5ad(tmp_path / "b.h5ad").spot_diameter == DIAMETERS["B"]


def test_libraries_that_no_column_names(tmp_path: Path) -> None:
    one = section(0)
    one.uns["spatial"] = {name: library(d) for name, d in DIAMETERS.items()}
    one.write_h5ad(tmp_path / "s.h5ad")
    with pytest.raises(MeasurementError, match=r"2 libraries \(A, B\), but no column of obs says"):
        read_h5ad(tmp_path / "s.h5ad")


def test_one_library_with_another_name_in_obs(tmp_path: Path) -> None:
    one = section(0)
    one.uns["spatial"] = {"V1_Breast": library(37.0), "is_single": True}
    one.obs["sample"] = "patient 1"
    one.write_h5ad(tmp_path / "s.h5ad")
    assert read_h5ad(tmp_path / "s.h5ad").spot_diameter == 37.0


@pytest.mark.parametrize("column", ["batch", "patient", "sample", "library_id"])
def test_a_column_that_divides_one_section_is_no_section(tmp_path: Path, column: str) -> None:
    one = section(0)
    one.obs[column] = np.where(np.arange(36) % 7 < 3, "left", "right")
    one.write_h5ad(tmp_path / "s.h5ad")
    assert len(read_h5ad(tmp_path / "s.h5ad").spots) == 36


def test_a_cluster_named_as_the_library(tmp_path: Path) -> None:
    one = section(0)
    one.obs["leiden"] = [str(i % 3) for i in range(36)]
    one.uns["spatial"] = {"1": library(37.0)}
    one.write_h5ad(tmp_path / "s.h5ad")
    assert read_h5ad(tmp_path / "s.h5ad").spot_diameter == 37.0


def test_sections_beside_each_other_on_one_canvas(tmp_path: Path) -> None:
    """A library is one slide; a patient may have two pieces of tissue on it."""
    both = two("section")
    both.obsm["spatial"][36:] += 5000
    both.obs_names = [f"spot{i}" for i in range(72)]
    both.write_h5ad(tmp_path / "apart.h5ad")
    with pytest.raises(MeasurementError, match="holds 2 libraries"):
        read_h5ad(tmp_path / "apart.h5ad")
    both.obs = both.obs.rename(columns={"section": "patient"})
    both.write_h5ad(tmp_path / "pieces.h5ad")
    assert len(read_h5ad(tmp_path / "pieces.h5ad").spots) == 72


def test_arrangement_of_grids() -> None:
    names = pd.DataFrame(index=[f"s{i}" for i in range(72)])
    labels = np.repeat(["A", "B"], 36)
    first = section(0).obsm["spatial"]
    for shift, expected in ((20, "over"), (600, "beside"), (5000, "apart")):
        assert (
            arrangement(labels, np.vstack([first, first + np.array([shift, 0])]), names) == expected
        )


@pytest.mark.parametrize("by", ["positions", "array"])
def test_spots_on_each_other_without_a_name_are_refused(tmp_path: Path, by: str) -> None:
    both = two("kind of my own")
    both.obs_names = [f"spot {i}" for i in range(both.n_obs)]
    both.obsm["spatial"] = np.tile(section(0).obsm["spatial"], (2, 1))
    if by == "array":
        both.obs[["array_row", "array_col"]] = (both.obsm["spatial"] / 100).astype(int)
        both.obsm["spatial"][36:] += 5000
    both.write_h5ad(tmp_path / "s.h5ad")
    with pytest.raises(MeasurementError, match="72 of 72 spots lie where another one lies"):
        read_h5ad(tmp_path / "s.h5ad")
