"""An error knows its file, and calls it what the user calls it."""

import copy
from pathlib import Path

import pytest

from histospace_core.errors import SlideError, shown_as


def test_the_sentence() -> None:
    slide = Path("/store/1/slide.svs")
    assert str(SlideError("All is lost.")) == "All is lost."
    assert str(SlideError("it is grey.", path=slide)) == "slide.svs: it is grey."
    error = SlideError("it is grey", path=slide, remedy="scan it in colour")
    assert str(error) == "slide.svs: it is grey; scan it in colour."


def test_the_users_name_touches_nothing_but_the_name() -> None:
    """A replace of the stored name would change the problem, the remedy and the name itself."""
    slide = Path("/store/1/slide")
    with pytest.raises(SlideError) as caught, shown_as({slide: "my slide"}):
        raise SlideError("not an H&E slide", path=slide, remedy="give another slide")
    assert str(caught.value) == "my slide: not an H&E slide; give another slide."


def test_an_error_about_another_file_keeps_its_name() -> None:
    with pytest.raises(SlideError) as caught, shown_as({Path("/a/slide.svs"): "mine.svs"}):
        raise SlideError("it is grey.", path=Path("/b/slide.svs"))
    assert str(caught.value) == "slide.svs: it is grey."


def test_an_error_crosses_processes() -> None:
    error = SlideError("it is grey", path=Path("/a/b.svs"), remedy="scan it again")
    error.name = "mine.svs"
    again = copy.copy(error)  # takes it apart and makes it again, as Dask does
    assert str(again) == "mine.svs: it is grey; scan it again."
    assert again.path == error.path
