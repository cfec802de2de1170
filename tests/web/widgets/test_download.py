"""The download button: its label is plain text, its content is made on request."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    from histospace_core.web.widgets.download import download

    def fail() -> bytes:
        raise AssertionError("made before anyone asked for it")

    download("Tiles of *Tumour*", fail, "../Tumour: core", "ERBB2", "1234abcd")
    download("Regions", fail, "regions", suffix=".geojson")


def test_a_label_is_plain_text_and_nothing_is_made_before_it_is_asked_for() -> None:
    app = AppTest.from_function(page).run()
    assert not app.exception
    buttons = [element.proto for element in app.get("download_button")]
    assert [button.label for button in buttons] == [r"Tiles of \*Tumour\*", "Regions"]
