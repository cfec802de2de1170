"""Names of users' files."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.catalog.names import LONGEST, display_name, suffix


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("CMU-1 Small (2).svs", "CMU-1 Small (2).svs"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\liver.svs", "liver.svs"),
        ("a\0b\n.svs", "ab.svs"),
        ("sample\u202egvs.exe", "samplegvs.exe"),
        ("<script>alert(1)</script>.svs", "script>.svs"),
        ("größe µm.tif", "größe µm.tif"),
        ("", "unnamed"),
        ("///", "unnamed"),
    ],
)
def test_display_names(raw: str, shown: str) -> None:
    assert display_name(raw) == shown


def test_long_names_keep_their_type() -> None:
    name = display_name("x" * 300 + ".ome.tiff")
    assert len(name) == LONGEST
    assert name.endswith("….ome.tiff")


@given(st.text())
def test_any_name_can_be_shown(raw: str) -> None:
    name = display_name(raw)
    assert 0 < len(name) <= LONGEST
    assert not any(unicodedata.category(c)[0] == "C" or c in "/\\" for c in name)
    assert display_name(name) == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.SVS", ".svs"),
        ("a.b.svs", ".svs"),
        ("a.ome.tiff", ".ome.tiff"),
        ("C5.tsv.gz", ".tsv.gz"),
        ("none", ""),
        ("a.", ""),
        ("a.verylongsuffix", ""),
        ("a.s/../x", ""),
    ],
)
def test_suffix(name: str, kind: str) -> None:
    assert suffix(name) == kind


@given(st.text())
def test_a_suffix_is_never_a_path(name: str) -> None:
    assert suffix(name).replace(".", "").isalnum() or suffix(name) == ""
