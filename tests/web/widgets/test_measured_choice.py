"""Questions about a measured file: one after the other, remembered, and then the page goes on."""

from pathlib import Path

from streamlit.testing.v1 import AppTest


def _page(path: str, known: str | None) -> None:
    from pathlib import Path

    import streamlit as st

    from histospace_core.errors import MeasurementError
    from histospace_core.expression.choice import Choice, choose
    from histospace_core.web.widgets.measured_choice import asking, measured_choice
    from histospace_core.web.widgets.parts import guarded

    bins = {"A/outs": ["2", "8"], "B/outs": ["8", "16"], "C/outs": []}

    @guarded
    def page() -> None:
        file = Path(path)
        choice, goes_on = measured_choice(file, "my_outs.zip", Choice(sample=known))
        if st.button("Compare") or goes_on:
            with asking(file, then_go_on=True):
                sample = choose("sample", list(bins), choice.sample, file)
                if not bins[sample]:
                    raise MeasurementError("holds no bins", path=file)
                size = choose("bin", bins[sample], choice.bin, file)
            st.session_state["compared"] = (sample, size)

    page()


def _app(path: Path, known: str | None = None) -> AppTest:
    app = AppTest.from_function(_page, args=(str(path), known), default_timeout=60).run()
    return app.button[0].click().run()


def _answer(app: AppTest, number: int, answer: str) -> AppTest:
    assert not app.exception
    return app.selectbox[number].set_value(answer).run()


def test_it_asks_one_after_the_other_and_goes_on(tmp_path: Path) -> None:
    app = _app(tmp_path / "a.zip")
    (box,) = app.selectbox
    assert box.label == "Which sample?"
    assert app.markdown[0].value == "**my\\_outs\\.zip holds 3 samples.**"
    assert (box.value, box.options) == (None, ["A/outs", "B/outs", "C/outs"]), "never a guess"
    _answer(app, 0, "A/outs")
    assert app.selectbox[1].label == "Which bin size?"
    assert app.markdown[1].value == "**my\\_outs\\.zip holds 2 bin sizes.**"
    assert "compared" not in app.session_state
    _answer(app, 1, "8")
    assert app.session_state["compared"] == ("A/outs", "8"), "without another click"
    _answer(app, 0, "B/outs")
    assert app.selectbox[1].options == ["8", "16"]
    assert app.selectbox[1].value is None, "the bin size was one of the other sample"
    _answer(app, 1, "16")
    assert app.session_state["compared"] == ("B/outs", "16")


def test_an_earlier_choice_that_no_longer_holds_is_asked_again(tmp_path: Path) -> None:
    app = _app(tmp_path / "a.zip", known="gone")
    assert app.selectbox[0].options == ["A/outs", "B/outs", "C/outs"]
    app = _app(tmp_path / "a.zip", known="B/outs")
    assert app.selectbox[0].options == ["8", "16"], "the sample is known"


def test_other_errors_stay_sentences(tmp_path: Path) -> None:
    app = _answer(_app(tmp_path / "a.zip"), 0, "C/outs")
    assert app.error[0].value == "a\\.zip\\: holds no bins"
