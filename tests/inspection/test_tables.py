"""Cohort tables, annotations, positions and other JSON."""

import json
from pathlib import Path

import pytest
from builders.slide_files import make_slide

from histospace_core.characterise.geojson import feature, feature_collection
from histospace_core.inspection.inspect import inspect_path


def test_a_cohort_counts_patients_without_naming_them(tmp_path: Path) -> None:
    make_slide(tmp_path / "a.png", side=64)
    (tmp_path / "a.tsv").touch()
    rows = [f"{name},Jane Doe,a.png,a.tsv,a.tsv,0.5" for name in ("A1", "A2")]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(["section,patient,image,counts,spots,mpp", *rows]))
    found = inspect_path(path)
    assert (found.kind, found.problem) == ("cohort table", "")
    assert found.to_json()["facts"]["sections"] == 2
    assert found.to_json()["facts"]["patients"] == 1
    assert "Jane" not in found.text()


def test_annotations(tmp_path: Path) -> None:
    ring = [[0, 0], [90, 0], [90, 90], [0, 90], [0, 0]]
    drawn = feature({"type": "Polygon", "coordinates": [ring]}, "annotation", "Tumour")
    path = tmp_path / "regions.geojson"
    path.write_text("".join(feature_collection([drawn])))
    found = inspect_path(path)
    assert (found.kind, found.problem) == ("annotations", "")
    assert found.to_json()["facts"]["regions"] == 1


@pytest.mark.parametrize(
    ("name", "remedy"), [("spots.tsv", "--spots"), ("spatial/tissue_positions.csv", "the folder")]
)
def test_positions_alone_say_where_they_belong(visium: Path, name: str, remedy: str) -> None:
    path = visium / name
    if not path.exists():
        path.write_text("x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\n1\t2\t1\t2\t10.5\t20\n")
    found = inspect_path(path)
    assert found.kind == "spot positions"
    assert "holds positions only" in found.problem
    assert remedy in found.problem
    assert found.to_json()["facts"]["spots"] == (1 if name == "spots.tsv" else 6)


def test_other_json_names_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "scalefactors_json.json"
    path.write_text(json.dumps({"tissue_hires_scalef": 0.1}))
    found = inspect_path(path)
    assert "Space Ranger folder" in found.problem
    assert found.to_json()["facts"]["keys"] == ["tissue_hires_scalef"]
