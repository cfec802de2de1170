"""What a user does, step by step."""

import re
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pandas as pd

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RUN_MS = 420_000
ARRIVED = re.compile("is ready|was added; enter")
"""What the page says of a slide that was uploaded."""


def parameter(page: "Page", name: str) -> str:
    """Return a parameter of the page's address."""
    return parse_qs(urlsplit(page.url).query)[name][0]


def predict_sample(page: "Page") -> str:
    """Home -> sample; return the finished run's id."""
    page.goto("/")
    page.get_by_role("button", name="Try the sample").click()
    return done(page)


def predict_new(page: "Page") -> str:
    """Predict the slide that was just uploaded; return the finished run's id."""
    at_rest(page)
    page.get_by_test_id("stMain").get_by_role("link", name="Predict").first.click()
    page.wait_for_url("**/predict?slide=*")
    page.get_by_text("The tissue to be predicted").wait_for(timeout=120_000)
    return run(page)


def run(page: "Page", wait: bool = True) -> str:
    """Start the prediction that the page offers; return the run's id."""
    page.get_by_role("button", name="Run", exact=True).click()
    return done(page, wait)


def done(page: "Page", wait: bool = True) -> str:
    """Wait for the prediction that was started; return its run's id."""
    page.wait_for_url("**/predict?run=*")
    if wait:
        page.get_by_text("tiles predicted in").wait_for(timeout=RUN_MS)
    return parameter(page, "run")


def upload(page: "Page", label: str, file: "Path | dict | list[Path]") -> None:
    """Give a file, or several, to one of our upload fields."""
    field = page.locator(".uploader").filter(has_text=label)
    field.locator("input[type=file]").set_input_files(file)


def pixel_size(page: "Page") -> "Locator":
    """Return the first field that asks for a pixel size."""
    field = page.get_by_test_id("stNumberInput").filter(has_text="Pixel size")
    return field.locator("input").first


def state_pixel_size(page: "Page", mpp: float) -> None:
    """Answer the question for the pixel size of the slide that was just uploaded."""
    pixel_size(page).fill(str(mpp))
    page.get_by_role("button", name="Save pixel size").first.click()


def at_rest(page: "Page") -> None:
    """Wait until the script has run: what it draws anew while it runs may lose a click."""
    page.locator("[data-test-script-state=notRunning]").wait_for()


def plot(page: "Page", number: int = 0) -> "Locator":
    """Return a figure that is drawn and can be used."""
    at_rest(page)
    figure = page.locator(".js-plotly-plot").nth(number)
    figure.locator(".modebar").wait_for(state="attached")
    figure.locator(".main-svg").first.wait_for()
    return figure


def shown(page: "Page", gene: str, number: int = 0) -> "Locator":
    """Return a panel of the deep-zoom viewer, once it shows all of a gene."""
    panel = page.locator(".viewer .panel").nth(number)
    panel.and_(page.locator(f"[data-shown='{gene}']")).wait_for()
    return panel


LOOP = [(-0.2, -0.2), (0.2, -0.2), (0.24, 0), (0.2, 0.2), (-0.2, 0.2)]
"""Around the middle, in shares of the shorter side."""


def draw(page: "Page", panel: "Locator", tool: str, corners: list[tuple[float, float]]) -> None:
    """Drag with one of the viewer's tools; corners are from the middle, in shares of a side."""
    stage = panel.locator(".stage")
    stage.evaluate("el => el.scrollIntoView({block: 'center'})")  # clear of the page's header
    page.locator(".viewer").get_by_role("button", name=tool).click()
    box = stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    side = min(box["width"], box["height"])
    places = [(x + dx * side, y + dy * side) for dx, dy in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def lasso(page: "Page", figure: "Locator") -> None:
    """Draw a loop around the middle of a figure."""
    figure.evaluate("el => el.scrollIntoView({block: 'center'})")  # clear of the page's header
    figure.hover()
    figure.locator("[data-title='Lasso Select']").click(force=True)
    box = figure.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    half = min(box["width"], box["height"]) / 5
    loop = [(-1, -1), (1, -1), (1.2, 0), (1, 1), (-1, 1), (-1, -1)]
    page.mouse.move(x - half, y - half)
    page.mouse.down()
    for dx, dy in loop[1:]:
        page.mouse.move(x + dx * half, y + dy * half, steps=6)
    page.mouse.up()


def selected(page: "Page") -> int:
    """Return how many tiles or spots the page says are selected."""
    text = page.get_by_text(re.compile(r"[\d,]+ (tiles|spots) selected")).first
    text.wait_for()
    return int(re.sub(r"\D", "", text.inner_text().split(" ")[0]))


def choose(page: "Page", label: str, option: str) -> None:
    """Type into a select box and take the first answer, by keyboard alone."""
    box = page.get_by_role("combobox", name=re.compile(f"^{label}"))
    box.focus()
    box.press("ArrowDown")
    page.keyboard.type(option)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")


def download(page: "Page", label: str) -> pd.DataFrame:
    """Press a download button and read the CSV as pandas does."""
    at_rest(page)  # until then the table is that of the page before
    with page.expect_download() as event:
        page.get_by_role("button", name=label).click()
    data = Path(event.value.path()).read_bytes()
    return pd.read_csv(BytesIO(data), float_precision="round_trip")


def mark(page: "Page", where: "Locator", label: str, words: str) -> None:
    """Type into a field of several choices, and take the one that says so."""
    from playwright.sync_api import TimeoutError

    chip = where.locator("[data-tag-index]").filter(has_text=words)
    box = where.get_by_role("combobox", name=label)
    for _ in range(20):  # the list closes when the page moves under it, as while it still loads
        at_rest(page)
        box.click()
        box.fill(words)
        with suppress(TimeoutError):
            page.get_by_role("option", name=re.compile(words)).click(timeout=3000)
            chip.wait_for(timeout=3000)
            break
    chip.wait_for()
    at_rest(page)
