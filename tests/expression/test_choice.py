"""A choice that does not apply is refused by every reader."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES
from builders.spatial_outputs import write_visium, write_xenium
from builders.spatialdata_stores import add_circles, add_table, write_store

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice, choose, refuse_unused
from histospace_core.expression.measured import read_measured

COUNTS = np.arange(1, 21).reshape(4, 5)
CENTRES = np.array([[100.0, 100], [300, 100], [100, 300], [300, 300]])


def write(folder: Path, kind: str) -> tuple[Path, Path | None]:
    """Write one section of a kind; return its path and its spot file."""
    if kind == "table":
        ids = ["1x1", "2x1", "1x2", "2x2"]
        pd.DataFrame(COUNTS, ids, GENES).to_csv(folder / "counts.tsv", sep="\t")
        spots = pd.DataFrame(CENTRES, ids, ["pixel_x", "pixel_y"]).rename_axis("spot")
        spots.to_csv(folder / "spots.tsv", sep="\t")
        return folder / "counts.tsv", folder / "spots.tsv"
    if kind == "h5ad":
        obs = pd.DataFrame(index=list("abcd"))
        adata = anndata.AnnData(COUNTS.astype(np.float32), obs, pd.DataFrame(index=GENES))
        adata.obsm["spatial"] = CENTRES
        adata.write_h5ad(folder / "a.h5ad")
        return folder / "a.h5ad", None
    if kind == "space-ranger":
        write_visium(folder / "outs", COUNTS, CENTRES, GENES)
        return folder / "outs", None
    if kind == "xenium":
        write_xenium(folder / "xenium", GENES, n_cells=20, molecules=500)
        return folder / "xenium", None
    root = write_store(folder / "S.zarr")
    add_circles(root, "spots", CENTRES)
    add_table(root, "table", COUNTS, ["spots"])
    return folder / "S.zarr", None


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("table", ["sample", "bin", "library"]),
        ("h5ad", ["sample", "bin", "library"]),
        ("space-ranger", ["bin", "library"]),
        ("xenium", ["bin"]),
        ("spatialdata", ["sample", "bin"]),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(
    tmp_path: Path, kind: str, options: list[str]
) -> None:
    path, spots = write(tmp_path, kind)
    assert read_measured(path, spots).n_obs > 0
    for option in options:
        with pytest.raises(
            MeasurementError, match=rf"{path.name}: there is nothing to choose by --{option}; leave"
        ):
            read_measured(path, spots, Choice(**{option: "8"}))


def test_the_only_candidate_may_be_named(tmp_path: Path) -> None:
    store, _ = write(tmp_path, "spatialdata")
    assert read_measured(store, choice=Choice(library="table")).n_obs == 4
    with pytest.raises(MeasurementError, match="holds no library 'other'; choose one of: table"):
        read_measured(store, choice=Choice(library="other"))


def test_choose(tmp_path: Path) -> None:
    assert choose("bin", ["8"], None, tmp_path) == "8"
    assert choose("bin", ["8", "16"], "16", tmp_path) == "16"
    with pytest.raises(MeasurementError, match=r"holds 2 bin sizes \(8, 16\)") as several:
        choose("bin", ["8", "16"], None, tmp_path)
    assert several.value.alternatives is not None
    assert several.value.alternatives.names == ("8", "16")


def test_what_is_used_may_be_given(tmp_path: Path) -> None:
    refuse_unused(Choice(sample="A", library="B"), ("sample", "library"), tmp_path)
    with pytest.raises(MeasurementError, match="--library"):
        refuse_unused(Choice(sample="A", library="B"), ("sample",), tmp_path)
