"""Facts of a measurement equal those that numpy and anndata find."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES, POSITIONS

from histospace_core.errors import MeasurementError
from histospace_core.inspection.findings import Inspection
from histospace_core.inspection.measured import describe_measured
from histospace_core.inspection.request import Request


def _facts(path: Path, spots: Path | None = None) -> tuple[dict, Inspection]:
    found = Inspection(path.name, "measured expression")
    describe_measured(Request(path, spots), found)
    return found.to_json()["facts"], found


def test_visium(visium: Path, counts: np.ndarray) -> None:
    facts, found = _facts(visium)
    under = counts[:5]
    assert (facts["spots"], facts["genes"], facts["format"]) == (5, 5, "space-ranger")
    assert facts["depth"]["total"] == under.sum()
    assert facts["depth"]["median"] == np.median(under.sum(axis=1))
    columns = POSITIONS["pxl_col_in_fullres"][:5]
    assert facts["positions"]["x"] == [columns.min(), columns.max()]
    assert facts["spot distance"] == pytest.approx(np.hypot(100, 10))
    assert facts["species"] == "human"
    assert facts["coverage"].startswith("targeted panel")
    assert any("not under tissue" in note for note in found.notes)
    assert "spatial: tissue_positions.csv" in found.contents


def test_h5ad_names_its_other_contents_and_withholds_values(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(1, 9, (4, 5)).astype(np.float32)
    obs = pd.DataFrame({"patient": ["Jane"] * 4, "cluster": list("abab")}, index=list("wxyz"))
    data = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))
    data.obsm["spatial"] = np.arange(8.0).reshape(4, 2)
    data.layers["scaled"] = counts / 2
    data.uns["spatial"] = {"V1": {"scalefactors": {"spot_diameter_fullres": 89.5}}}
    path = tmp_path / "a.h5ad"
    data.write_h5ad(path)
    facts, found = _facts(path)
    assert facts["spot diameter"] == 89.5
    assert facts["depth"]["total"] == counts.sum()
    assert {"X: 4 x 5", "layers: scaled", "uns/spatial: V1"} <= set(found.contents)
    assert found.withheld == ["values of the columns patient: present, not shown"]
    assert "Jane" not in found.text()


def test_a_table_without_its_spot_file_still_tells(tmp_path: Path) -> None:
    path = tmp_path / "counts.tsv"
    path.write_text("\tERBB2\tKRT8\n10x12\t3\t4\n11x12\t5\t0\n")
    found = Inspection(path.name, "measured expression")
    with pytest.raises(MeasurementError, match="give its spot file too"):
        describe_measured(Request(path), found)
    facts = found.to_json()["facts"]
    assert (facts["spots"], facts["genes"], facts["depth"]["total"]) == (2, 2, 12)
    assert "positions" not in facts


@pytest.mark.shared
def test_a_real_section(shared: Path) -> None:
    table = shared / "her2st/ST-cnts/C2.tsv.gz"
    facts, _ = _facts(table, shared / "her2st/ST-spotfiles/C2_selection.tsv")
    whole = pd.read_csv(table, sep="\t", index_col=0)
    assert (facts["spots"], facts["genes"]) == whole.shape
    assert facts["depth"]["total"] == whole.to_numpy().sum()
    assert facts["coverage"] == "whole transcriptome"
