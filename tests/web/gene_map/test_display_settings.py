"""Colours in the address: what is written is read back, and nonsense falls back to the default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histospace_core.figures.colours import SCALES
from histospace_core.web.gene_map.display_settings import DisplaySettings

NUMBERS = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.6g}"))
GENES = st.text(min_size=1, max_size=12)  # a signature may be called anything
PAIRS = st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] < pair[1])


@given(
    st.builds(
        DisplaySettings,
        opacity=st.integers(0, 20).map(lambda n: n / 20),
        shown=st.booleans(),
        scale=st.sampled_from(SCALES),
        grey=st.booleans(),
        limits=st.dictionaries(GENES, PAIRS, max_size=4),
    )
)
def test_an_address_gives_the_same_looks_again(looks):
    assert DisplaySettings.from_query(looks.to_query()) == looks
    assert DisplaySettings.read(looks.to_json()) == looks


def test_the_default_leaves_the_address_alone():
    assert DisplaySettings().to_query() == {}
    assert DisplaySettings.from_query({}) == DisplaySettings()


@pytest.mark.parametrize(
    "query",
    [
        {"limits": "ERBB2~2~1"},
        {"limits": "ERBB2~nan~1"},
        {"limits": "ERBB2~1"},
        {"limits": "~,~~,,ERBB2"},
        {"limits": "<script>~a~b"},
        {"scale": "Jet"},
        {"opacity": "inf"},
        {"opacity": "thick"},
    ],
)
def test_nonsense_in_an_address_is_the_default(query):
    assert DisplaySettings.from_query(query) == DisplaySettings()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING)
def test_whatever_a_browser_sends_gives_some_looks(raw):
    for sent in (raw, {"limits": raw}, {"opacity": raw, "scale": raw}):
        looks = DisplaySettings.read(sent)
        assert 0 <= looks.opacity <= 1
        assert looks.scale in SCALES


def test_opacity_stays_between_nothing_and_all():
    assert DisplaySettings.read({"opacity": 7}).opacity == 1
    assert DisplaySettings.read({"opacity": -1}).opacity == 0
