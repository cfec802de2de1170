"""The files of a characterised run, read back by others' eyes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.characterised_runs import TILE, make_run

from histospace_core.characterise.run import Characterisation, characterise_run
from histospace_core.errors import StoreError
from histospace_core.exports.characterisation import open_characterisation, write_characterisation
from histospace_core.inference import RESEARCH_USE

FILES = {
    "domains.csv", "markers.csv", "signatures.csv", "summary.json", "domains.geojson",
    "domains.html", "markers.html", "signatures.html", "levels",
}  # fmt: skip


@pytest.fixture
def found(tmp_path: Path) -> Characterisation:
    make_run(tmp_path / "run")
    return characterise_run(tmp_path / "run")


def test_every_file_is_written_and_says_what_it_is_for(
    found: Characterisation, tmp_path: Path
) -> None:
    write_characterisation(found, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    for name in FILES - {"levels"}:
        assert RESEARCH_USE in (tmp_path / "out" / name).read_text("utf-8"), name
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary["n_tiles"] == 576
    tiles = pd.read_csv(tmp_path / "out" / "domains.csv", keep_default_na=False)
    assert tiles["domain"][0] == "", "unreadable"
    assert set(tiles["domain"][1:]) == set(found.names)
    assert tiles["unlike_training_tissue"].sum() == 24
    markers = pd.read_csv(tmp_path / "out" / "markers.csv")
    assert set(markers["region"]) <= set(found.names)
    assert {"ci_low", "least_effect", "reliable", "trust", "unit"} <= set(markers)
    assert "q_value" not in markers, "the domains were found on these very genes"
    scores = pd.read_csv(tmp_path / "out" / "signatures.csv")
    assert (scores["Stroma ci_low"][1:] <= scores["Stroma"][1:]).all()
    assert scores["Fat"].isna().all(), "no gene of it is predicted"


def test_what_was_written_is_read_back_at_every_level(
    found: Characterisation, tmp_path: Path
) -> None:
    write_characterisation(found, tmp_path / "out")
    stored = open_characterisation(tmp_path / "out")
    assert stored.summary["model"] == "small"
    for number, level in enumerate(found.levels):
        np.testing.assert_array_equal(stored.labels(number), found.domains.labels[:, number])
        table = stored.markers(number)
        assert list(table["gene"]) == list(level.table["gene"])
        assert list(table["region"]) == list(level.table["region"])
        np.testing.assert_allclose(table["least_effect"], level.table["least_effect"])
    with pytest.raises(StoreError, match="'nothing' is missing or damaged"):
        open_characterisation(tmp_path / "nothing")


def test_what_is_not_to_be_trusted_is_marked_in_every_file(tmp_path: Path) -> None:
    make_run(tmp_path / "run", foreign_rows=24)
    found = characterise_run(tmp_path / "run", all_genes=True)
    write_characterisation(found, tmp_path / "out")
    for name in ("domains.csv", "markers.csv", "summary.json"):
        assert "low: unlike the training tissue" in (tmp_path / "out" / name).read_text("utf-8")
    assert "(low trust)" in (tmp_path / "out" / "domains.geojson").read_text("utf-8")
    markers = (tmp_path / "out" / "markers.html").read_text("utf-8")
    assert "not reliable" in markers
    assert "only 60% are reliable" in markers
    assert pd.read_csv(tmp_path / "out" / "signatures.csv")["unlike_training_tissue"].all()


def test_geojson_is_what_qupath_reads(found: Characterisation, tmp_path: Path) -> None:
    write_characterisation(found, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "domains.geojson").read_text("utf-8"))
    assert content["type"] == "FeatureCollection"
    assert len(content["features"]) == len(found.names)
    for number, feature in enumerate(content["features"]):
        properties = feature["properties"]
        assert properties["objectType"] == "annotation"
        assert properties["classification"]["name"] == found.names[number]
        assert all(0 <= c <= 255 for c in properties["classification"]["color"])
        squares = feature["geometry"]["coordinates"]
        assert feature["geometry"]["type"] == "MultiPolygon"
        assert len(squares) == (found.domains.best == number).sum()
        ring = np.array(squares[0][0])
        assert (ring[0] == ring[-1]).all()
        assert (np.ptp(ring, axis=0) == TILE).all()


def test_its_own_domains_read_back_as_annotations_agree_wholly(
    found: Characterisation, tmp_path: Path
) -> None:
    write_characterisation(found, tmp_path / "out")
    again = characterise_run(tmp_path / "run", annotations=tmp_path / "out" / "domains.geojson")
    assert again.summary["agreement"]["ari"] == 1
    assert again.summary["agreement"]["ari_shuffled_mean"] < 0.5


def test_a_folder_that_exists_is_left_alone(found: Characterisation, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="'out' exists already"):
        write_characterisation(found, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_written_leaves_nothing(
    found: Characterisation, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="cannot be written"):
        write_characterisation(found, tmp_path / "file" / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"run", "file"}
