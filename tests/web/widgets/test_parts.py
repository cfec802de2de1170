import re

from hypothesis import given
from hypothesis import strategies as st

from histospace_core.inference import RESEARCH_USE
from histospace_core.web.widgets.parts import NOTICE, duration_text, plain


def test_the_notice_is_the_same_on_screen_and_in_exports():
    assert NOTICE == RESEARCH_USE


def test_markup_is_escaped_sign_by_sign():
    assert plain("<b>**x**[a](:red)$") == r"\<b\>\*\*x\*\*\[a\]\(\:red\)\$"


@given(st.text())
def test_escaped_text_reads_as_it_was(text):
    escaped = plain(text)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(\\\\)*[<*\[\]$`#]", escaped)


def test_durations_are_said_as_people_say_them():
    assert [duration_text(s) for s in (0.2, 61, 600, 9000)] == ["1 s", "61 s", "10 min", "2.5 h"]
