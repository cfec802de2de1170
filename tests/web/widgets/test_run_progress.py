"""Progress on a page."""

from streamlit.testing.v1 import AppTest

PAGE = """
from histospace_core.errors import SlideError
from histospace_core.web.widgets.parts import guarded
from histospace_core.web.widgets.run_progress import progress_bar

@guarded
def work() -> None:
    with progress_bar("Reading…") as bar:
        bar.progress(0.5, "Reading the second…")
        raise SlideError("The second cannot be read.")

work()
"""


def test_no_bar_stands_beside_the_error() -> None:
    page = AppTest.from_string(PAGE, default_timeout=60).run()
    assert "The second cannot be read" in page.error[0].value
    assert not page.get("progress")
