"""Each form of export, opened with a library that is not ours."""

import json
from pathlib import Path

import anndata
import jsonschema
import numpy as np
import pytest
import tifffile

from histospace_core.cli.export import ExportKind
from histospace_core.errors import StoreError
from histospace_core.exports import FORMS, export_run
from histospace_core.exports.geojson import DOMAIN_SCORE, OUT_OF_DOMAIN
from histospace_core.inference import RESEARCH_USE, Prediction, open_prediction
from histospace_core.inference.layout import overview_path
from histospace_core.inference.record import SlideRecord

SCHEMA = json.loads((Path(__file__).parent / "qupath.schema.json").read_text("utf-8"))


def test_geojson_is_what_qupath_reads(prediction, tmp_path):
    export_run(prediction.run_dir, "geojson", tmp_path / "run.geojson")
    content = json.loads((tmp_path / "run.geojson").read_text("utf-8"))
    jsonschema.validate(content, SCHEMA)
    assert len({feature["id"] for feature in content["features"]}) == prediction.n_tiles
    measured = content["features"][0]["properties"]["measurements"]
    assert set(measured) == {*prediction.genes, DOMAIN_SCORE}


def test_the_schema_refuses_what_qupath_would():
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        "properties": {"objectType": "detection", "measurements": {"ERBB2": "high"}},
    }
    with pytest.raises(jsonschema.ValidationError, match="'high' is not of type 'number'"):
        jsonschema.validate({"type": "FeatureCollection", "features": [feature]}, SCHEMA)


def test_tiles_unlike_the_training_tissue_have_a_class_of_their_own(prediction, tmp_path):
    prediction.obs["domain_score"] = np.float32([0.5, 0.999, 0.2, 0.1, np.nan, np.nan])
    FORMS["geojson"].write(prediction, ["ERBB2"], tmp_path / "run.geojson")
    content = json.loads((tmp_path / "run.geojson").read_text("utf-8"))
    classes = [f["properties"].get("classification") for f in content["features"]]
    assert classes == [None, OUT_OF_DOMAIN, None, None, None, None]


def test_without_named_genes_a_viewer_gets_the_best_supported(prediction, tmp_path):
    export_run(prediction.run_dir, "ometiff", tmp_path / "all.ome.tif")
    with tifffile.TiffFile(tmp_path / "all.ome.tif") as file:
        channels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]["Channel"]
    names = [channel["Name"].partition(",")[0] for channel in channels]
    assert names == ["ERBB2", "=1+1", "COL1A1"], "reliable first, no score last"


def test_ometiff_lays_every_tile_where_it_is(prediction: Prediction, tmp_path):
    export_run(prediction.run_dir, "ometiff", tmp_path / "run.ome.tif", ["COL1A1", "ERBB2"])
    with tifffile.TiffFile(tmp_path / "run.ome.tif") as file:
        assert file.is_ome
        series = file.series[0]
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        levels = [level.asarray() for level in series.levels]
        description = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
    assert series.axes == "CYX"
    assert RESEARCH_USE in description
    assert [level.shape for level in levels] == [
        (2, 16, 24),
        (2, 8, 12),
        (2, 4, 6),
        (2, 2, 3),
    ]
    slide = prediction.record.slide
    size = np.array([pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]])
    whole = size * [pixels["SizeX"], pixels["SizeY"]]
    np.testing.assert_allclose(whole, np.array([slide.width, slide.height]) * slide.mpp)
    for level in levels:
        step = slide.width / level.shape[2]
        x, y = (prediction.centres / step).astype(int).T
        np.testing.assert_array_equal(level[1, y, x], prediction.gene("ERBB2"))
        np.testing.assert_array_equal(level[0, y, x], prediction.gene("COL1A1"))
    np.testing.assert_array_equal(np.isnan(levels[0][0]).sum(), 64)  # the unreadable tile only


def test_h5ad_has_the_slide_where_squidpy_looks(prediction, tmp_path):
    export_run(prediction.run_dir, "h5ad", tmp_path / "run.h5ad", ["ERBB2", "ERBB2"])
    table = anndata.read_h5ad(tmp_path / "run.h5ad")
    library = table.uns["spatial"]["s"]
    assert table.shape == (5, 1)
    np.testing.assert_array_equal(library["images"]["hires"], prediction.overview)
    assert library["scalefactors"]["tissue_hires_scalef"] == pytest.approx(0.1)
    assert library["scalefactors"]["spot_diameter_fullres"] == 100
    assert table.uns["log1p"]["base"] == 10
    assert table.obs[["array_row", "array_col"]].to_numpy().tolist() == [
        [0, 0], [0, 1], [0, 2], [1, 0], [1, 1],
    ]  # fmt: skip
    assert table.uns["histospace"]["model"]["name"] == "small"


def test_a_run_of_before_without_a_picture_is_exported_without_one(prediction, tmp_path):
    overview_path(prediction.run_dir).unlink()
    export_run(prediction.run_dir, "h5ad", tmp_path / "run.h5ad")
    table = anndata.read_h5ad(tmp_path / "run.h5ad")
    assert "images" not in table.uns["spatial"]["s"]
    export_run(prediction.run_dir, "spatialdata", tmp_path / "run.zarr")
    assert {p.name for p in (tmp_path / "run.zarr").iterdir()} == {"zarr.json", "shapes", "tables"}


def test_a_store_that_fails_halfway_leaves_nothing(prediction, tmp_path):
    with pytest.raises(StoreError, match="no gene NOPE"):
        export_run(prediction.run_dir, "spatialdata", tmp_path / "run.zarr", ["NOPE"])
    broken = open_prediction(prediction.run_dir)
    facts = broken.record.slide.model_dump(exclude={"height"})  # missed when the picture is written
    slide = SlideRecord.model_construct(**facts)
    broken.record = broken.record.model_copy(update={"slide": slide})
    with pytest.raises(AttributeError, match="height"):
        FORMS["spatialdata"].write(broken, ["ERBB2"], tmp_path / "run.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_the_command_line_offers_every_form():
    assert {kind.value for kind in ExportKind} == set(FORMS)
