import csv
import io

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.errors import StoreError
from histospace_core.exports.csv import (
    escape_formula,
    file_name,
    genes_csv,
    map_csv,
    spots_csv,
    to_csv,
)
from histospace_core.inference import RESEARCH_USE


def read(data: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(data))


def test_values_equal_the_stores_to_float32(prediction):
    table = read(map_csv(prediction, ["ERBB2", "COL1A1"]))
    for gene in ("ERBB2", "COL1A1"):
        np.testing.assert_array_equal(table[gene].astype("float32"), prediction.gene(gene))


def test_positions_are_tile_centres_in_both_units(prediction):
    table = read(map_csv(prediction, ["ERBB2"]))
    np.testing.assert_array_equal(table[["x_px", "y_px"]], prediction.centres)
    np.testing.assert_allclose(table[["x_um", "y_um"]], prediction.centres * 0.5)
    assert list(table["tile"]) == list(prediction.obs.index)


def test_a_tile_that_could_not_be_read_is_there_without_a_value(prediction):
    last = read(map_csv(prediction, ["ERBB2"])).iloc[-1]
    assert last["qc"] == "unreadable"
    assert np.isnan(last["ERBB2"])


def test_selection_keeps_order_and_gives_only_its_tiles(prediction):
    table = read(map_csv(prediction, ["ERBB2"], [4, 1]))
    assert list(table["tile"]) == [prediction.obs.index[4], prediction.obs.index[1]]
    assert len(read(map_csv(prediction, ["ERBB2"], []))) == 0


def test_every_row_says_what_it_is_and_what_it_is_for(prediction):
    table = read(map_csv(prediction, ["ERBB2"]))
    assert set(table["use"]) == {RESEARCH_USE}
    assert set(table["unit"]) == {"log10_cp10k"}
    assert set(table["model"]) == {"small"}


def test_a_gene_whose_name_is_a_formula_is_defused(prediction):
    header = map_csv(prediction, ["=1+1"]).splitlines()[0].decode().split(",")
    assert "'=1+1" in header


def test_an_unknown_gene_is_one_sentence(prediction):
    with pytest.raises(StoreError, match="no gene 'XYZ'"):
        map_csv(prediction, ["XYZ"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_a_spreadsheet_would_run_is_defused(start):
    text = f"{start}cmd|' /C calc'!A0"
    table = pd.DataFrame({start + "head": [text, "harmless"]})
    (head, *_), (cell, *_), (other, *_) = csv.reader(
        io.StringIO(to_csv(table).decode(), newline="")
    )
    assert (head, cell, other) == ("'" + start + "head", "'" + text, "harmless")


def test_negative_numbers_stay_numbers():
    table = pd.DataFrame({"a": [-1.5, 2.0], "b": [-1, 3], "c": np.float32([-0.1, 0.1])})
    assert read(to_csv(table)).equals(
        pd.DataFrame({"a": [-1.5, 2.0], "b": [-1, 3], "c": [-0.1, 0.1]})
    )


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_any_float32_survives(values):
    column = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(
        read(to_csv(pd.DataFrame({"v": column})))["v"].astype("float32"), column
    )


@given(st.text())
def test_no_text_begins_like_a_formula_and_nothing_else_is_changed(text):
    safe = escape_formula(text)
    assert safe == text or safe == "'" + text
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_digits_are_as_few_as_will_do():
    table = pd.DataFrame({"a": np.float32([0.1]), "b": [0.1]})
    assert to_csv(table) == b"a,b\r\n0.1,0.1\r\n"


def test_form_is_rfc_4180():
    table = pd.DataFrame({"name": ['say "hi", please', "two\nlines"], "n": [1, 2]})
    data = to_csv(table)
    assert data.startswith(b"name,n\r\n"), "no byte-order mark, no comment line, CRLF"
    assert list(read(data)["name"]) == list(table["name"])


def test_gene_tables_are_written_from_index_or_column(prediction):
    by_index = read(genes_csv(prediction.var))
    assert list(by_index["gene"]) == ["ERBB2", "'=1+1", "COL1A1"]
    by_column = read(genes_csv(prediction.var.reset_index()))
    assert by_column.equals(by_index)
    assert set(by_index["use"]) == {RESEARCH_USE}


def test_file_names_are_safe():
    assert file_name("map", "../../etc/passwd", "HLA-DRA") == "map-etc_passwd-HLA_DRA.csv"
    assert file_name("") == "x.csv"


def test_spots_of_a_comparison_equal_its_layers():
    rng = np.random.default_rng(0)
    layers = {name: rng.random((4, 2), dtype=np.float32) for name in ("measured", "predicted")}
    spots = anndata.AnnData(
        obs=pd.DataFrame(index=["1x1", "1x2", "=2x1", "2x2"]),
        var=pd.DataFrame(index=["A", "B"]),
        obsm={"spatial": rng.random((4, 2))},
        layers=layers,
    )
    table = read(spots_csv(spots, "B", {"expression_unit": "log10_cp10k", "model": "small"}))
    for name, layer in layers.items():
        np.testing.assert_array_equal(table[name].astype("float32"), layer[:, 1])
    np.testing.assert_allclose(table[["x_px", "y_px"]], spots.obsm["spatial"], rtol=1e-8)
    assert list(table["spot"]) == ["1x1", "1x2", "'=2x1", "2x2"]
    assert set(table["use"]) == {RESEARCH_USE}
