"""Take the documentation's pictures: `python -m docs.pictures [--out FOLDER] [--only PAGE ...]`.

Predicts the sample in a store of its own, compares and characterises it, serves the app on it and
photographs each page in a wide and in a narrow window. Takes about five minutes on two cores.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serving import free_port, start_app

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"]
FLAGS += ["--enable-unsafe-swiftshader", "--disable-background-networking"]
WIDE, NARROW, TALLEST = 1280, 480, 2600
WIDE_ONLY = {"batch", "characterise_markers", "gene_map_three", "regions"}
REGION = [[1500, 1300], [2500, 1250], [2700, 2300], [1700, 2500], [1500, 1300]]
"""Outline of a region on the sample, level-0 px."""


def fill(store: Path) -> dict[str, str]:
    """Predict, compare and characterise the sample in a store; return the pages' URLs."""
    os.environ["HISTOSPACE_STORE"] = str(store)
    from histospace_core.catalog.regions import NewRegion
    from histospace_core.server import close_context, get_context
    from histospace_core.server.comparing import compare_in_child
    from histospace_core.server.samples import add_phantom

    context = get_context()
    jobs, catalog = context.jobs, context.catalog

    def finished(run_id: str) -> str:
        while catalog.run(run_id).is_active:
            time.sleep(0.5)
        assert catalog.run(run_id).state == "done", catalog.run(run_id).error
        return run_id

    slide = add_phantom(context)
    other = finished(jobs.submit_prediction(slide.id, "histospace-her2st"))
    run_id = finished(jobs.submit_prediction(slide.id, "histospace-plus-her2st"))
    run = catalog.run(run_id)
    counts, spots = Path(str(slide.counts_path)), Path(str(slide.spots_path))
    name = f"measurement of {slide.name}"
    compared = compare_in_child(context.settings, catalog, run, name, counts, spots)
    finished(jobs.submit_characterisation(run_id, comparison=compared.directory))
    shape = {"type": "Polygon", "coordinates": [REGION]}
    (region,) = catalog.add_regions(run_id, [NewRegion("Tumour nests", "#c9772b", shape)])
    catalog.describe_run(run_id, tags=["tutorial"], note="")
    close_context()
    on_map = f"gene_map?run={run_id}&gene=ERBB2"
    return {
        "slides": "slides",
        "predict": f"predict?slide={slide.id}",
        "batch": "batch",
        "gene_map": on_map,
        "gene_map_three": f"{on_map}&with=COL1A1,KRT8",
        "regions": f"{on_map}&region={region.region_id}",
        "compare": f"compare?run={run_id}&gene=ERBB2",
        "characterise": f"characterise?run={run_id}",
        "characterise_markers": f"characterise?run={run_id}&view=Markers",
        "export": f"export?run={run_id}",
        "runs": "runs",
        "two_runs": f"two_runs?run={run_id}&with={other}",
        "models": "models",
        "train": "train",
        "scores": "scores",
    }


def photograph(browser: Browser, url: str, file: Path, width: int) -> None:
    """Take a picture of all of a page, at most `TALLEST` px high."""
    context = browser.new_context(viewport={"width": width, "height": 920})
    page = context.new_page()
    page.goto(url)
    settle(page)
    main = page.get_by_test_id("stMain")
    height = int(main.evaluate("el => Math.max(...[el, ...el.children].map(e => e.scrollHeight))"))
    page.set_viewport_size({"width": width, "height": min(max(height, 920), TALLEST)})
    settle(page)
    page.screenshot(path=file)
    context.close()
    # A palette of 256 colours makes a page with a slide on it four times smaller.
    Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        file, optimize=True
    )


def settle(page: Page) -> None:
    """Wait until the page's script is done and its maps and figures are drawn."""
    page.get_by_test_id("stMain").wait_for()
    page.wait_for_timeout(2500)
    page.locator("[data-test-script-state=notRunning]").wait_for(timeout=180_000)
    for panel in page.locator(".viewer .panel").all():
        panel.and_(page.locator("[data-shown]:not([data-shown=''])")).wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--only", nargs="+", default=[], help="names of pictures; default: all")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for store, wanted in ((Path(name) / "empty", {"home": ""}), (Path(name) / "store", {})):
            pages = wanted or fill(store)
            port = free_port()
            app = start_app(store, port, 5)
            try:
                for page, address in pages.items():
                    if arguments.only and page not in arguments.only:
                        continue
                    windows = {"": WIDE} if page in WIDE_ONLY else {"": WIDE, "-narrow": NARROW}
                    for suffix, width in windows.items():
                        url = f"http://localhost:{port}/{address}"
                        photograph(browser, url, out / f"{page}{suffix}.png", width)
            finally:
                app.terminate()
                app.wait(timeout=60)
        browser.close()


if __name__ == "__main__":
    main()
