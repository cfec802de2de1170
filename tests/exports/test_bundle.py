import zipfile

import anndata
import numpy as np
import pytest

from histospace_core.errors import StoreError
from histospace_core.exports import FORMS
from histospace_core.exports.bundle import export_file


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_makes_one_file_named_after_the_slide(prediction, tmp_path, kind):
    for suffix in FORMS[kind].suffixes:
        file = export_file(
            prediction.run_dir, kind, tmp_path / "out", name="../My slide.svs", suffix=suffix
        )
        assert file.parent == tmp_path / "out"
        assert file.name.startswith(f"My_slide-{kind}.")
        assert file.stat().st_size > 0
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert len(left) == len(FORMS[kind].suffixes), "nothing else is left behind"


def test_a_store_is_packed_whole(prediction, tmp_path):
    file = export_file(prediction.run_dir, "spatialdata", tmp_path, name="s.svs", suffix=".zarr")
    assert file.name == "s-spatialdata.zarr.zip"
    with zipfile.ZipFile(file) as packed:
        assert packed.testzip() is None
        packed.extractall(tmp_path / "unpacked")
    table = anndata.read_zarr(tmp_path / "unpacked" / "s.zarr" / "tables" / "table")
    np.testing.assert_array_equal(table[:, "ERBB2"].X.ravel(), prediction.gene("ERBB2")[:5])


def test_the_slide_has_the_name_its_user_gave_it(prediction, tmp_path):
    file = export_file(
        prediction.run_dir, "report", tmp_path, name="Liver <3> 7.svs", suffix=".html"
    )
    assert "<h1>" in (text := file.read_text("utf-8"))
    assert "Liver &lt;3&gt; 7.svs" in text


def test_what_an_earlier_attempt_left_whole_is_kept(prediction, tmp_path):
    (tmp_path / "s-csv.csv").write_text("whole")
    file = export_file(prediction.run_dir, "csv", tmp_path, name="s.svs", suffix=".csv")
    assert file.read_text() == "whole"


def test_an_ending_of_another_form_is_refused(prediction, tmp_path):
    with pytest.raises(StoreError, match=r"Unknown form 'csv' with extension '\.zarr'"):
        export_file(prediction.run_dir, "csv", tmp_path, name="s", suffix=".zarr")
