"""The entry of the app, `pages/home.py`."""

import runpy

import pytest
import streamlit as st
from builders.checkout import PROJECT


def test_a_worker_that_starts_while_a_page_is_drawn_draws_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a process runs its parent's main script, which is then the page's, by this name."""
    drawn: list[object] = []
    monkeypatch.setattr(st, "navigation", lambda pages, **_: drawn.append(pages))
    runpy.run_path(str(PROJECT / "pages/home.py"), run_name="__mp_main__")
    assert not drawn
