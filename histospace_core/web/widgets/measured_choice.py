"""Ask which of several measurements in a file is meant, and remember the answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import streamlit as st

from histospace_core.errors import PLURALS, SINGULARS, HistospaceError, Option
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.web.widgets.parts import plain


@contextmanager
def asking(path: Path, *, then_go_on: bool) -> Iterator[None]:
    """Make a question of an error that names alternatives, and run the page again to ask it.

    Parameters
    ----------
    path
        What the block reads.
    then_go_on
        Whether `measured_choice` is to say "go on" once the question is answered.
    """
    try:
        yield
    except HistospaceError as error:
        if error.alternatives is None:
            raise
        asked = st.session_state.setdefault(_asked(path), {})
        asked[error.alternatives.option] = error.alternatives.names
        st.session_state[_goes_on(path)] = then_go_on
        st.rerun()


def measured_choice(path: Path, name: str, known: Choice = ONLY) -> tuple[Choice, bool]:
    """Show a field for every question that `asking` has met for a file.

    Parameters
    ----------
    path
        The stored file.
    name
        The user's name of it.
    known
        An earlier choice, which an answer replaces.

    Returns
    -------
    The choice, and whether its last question has just been answered, so that the page goes on.
    """
    choice, complete = known, True
    for option, names in st.session_state.get(_asked(path), {}).items():
        # Not in the label: a screen reader would read out what `plain` escapes.
        st.markdown(f"**{plain(name)} holds {len(names)} {PLURALS[option]}.**")
        answer = st.selectbox(
            f"Which {SINGULARS[option]}?",
            names,
            index=None,
            placeholder="Choose one",
            key=_answer(path, option),
            on_change=_answered,
            args=(path, option),
        )
        choice = replace(choice, **{option: answer})
        complete &= answer is not None
    just_answered = st.session_state.pop(_new(path), False)
    return choice, bool(just_answered and complete and st.session_state[_goes_on(path)])


def _answered(path: Path, option: Option) -> None:
    """Forget the questions after this one: another sample, say, has other bin sizes."""
    asked = st.session_state[_asked(path)]
    for later in list(asked)[list(asked).index(option) + 1 :]:
        del asked[later]
        st.session_state.pop(_answer(path, later), None)
    st.session_state[_new(path)] = True


def _asked(path: Path) -> str:
    return f"choice-asked-{path}"


def _goes_on(path: Path) -> str:
    return f"choice-goes-on-{path}"


def _new(path: Path) -> str:
    return f"choice-new-{path}"


def _answer(path: Path, option: Option) -> str:
    return f"choice-{option}-{path}"
