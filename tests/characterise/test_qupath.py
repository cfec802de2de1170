"""The kind of an object, in the forms that QuPath and others have written."""

import pytest

from histospace_core.characterise.qupath import colour_of, kind_of, name_of


@pytest.mark.parametrize("place", ["objectType", "object_type", "object type", "type"])
@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("annotation", "annotation"),
        ("PathAnnotationObject", "annotation"),
        ("detection", "detection"),
        ("PathDetectionObject", "detection"),
        ("cell", "cell"),
        ("PathCellObject", "cell"),
        ("tile", "tile"),
        ("tma_core", "TMA core"),
        ("TMACoreObject", "TMA core"),
        ("TMA core", "TMA core"),
        ("root", "root"),
    ],
)
def test_the_kind_may_stand_in_any_of_four_properties(place: str, written: str, kind: str) -> None:
    assert kind_of({"properties": {place: written}}) == kind


@pytest.mark.parametrize(
    ("feature", "kind"),
    [
        ({"id": "PathAnnotationObject"}, "annotation"),
        ({"properties": {"objectType": "nerve"}}, "nerve"),
        ({"properties": {"type": "Tumor"}}, "annotation"),
        ({"id": "PathRootObject", "properties": None}, "root"),
        ({"id": "PathNerveObject"}, "PathNerveObject"),
        ({"id": "0c8b2f9e-4d5c-4a51-9b4c-0a1f3d9f2f11"}, "annotation"),
        ({"id": 7}, "annotation"),
        ({"geometry": None}, "annotation"),
        ({"id": "PathCellObject", "properties": {"objectType": "annotation"}}, "annotation"),
    ],
)
def test_otherwise_the_id_says_it(feature: dict, kind: str) -> None:
    assert kind_of(feature) == kind


@pytest.mark.parametrize("colour", [[300, 0, 0], [-1, 0, 0], ["a", 0, 0], "red", {"r": 1}])
def test_a_colour_that_is_none_is_no_reason_to_refuse(colour: object) -> None:
    assert colour_of({"color": colour}) == ""


def test_a_class_may_be_a_list_of_names() -> None:
    assert name_of({"classification": ["Tumor", "Positive"]}) == "Tumor: Positive"
