"""Time the deep-zoom viewer in a real browser: first view, change of gene, and tile routes.

    python -m benchmarks.viewer [--side 61440] [--tiles 20000] [--switches 40] [--requests 200]

The script makes a slide, finds its tissue and plans its tiles as for a prediction. It writes
random values, smooth in space, for the genes of the shipped model, in the form of a run. The app
is then served as a user serves it, and chromium drives it. Times in the browser are from the
click or key press to the frame in which all visible tiles are drawn. Times of the routes are from
request to last byte, one request at a time. Nothing else should run on the machine.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from playwright.async_api import Browser, Page, async_playwright
from scipy.ndimage import gaussian_filter

from benchmarks.made_record import made_record
from benchmarks.make_slide import make_slide
from benchmarks.serving import free_port, start_app
from histospace_core.catalog import Catalog
from histospace_core.inference.record import RunRecord, SlideRecord
from histospace_core.inference.store import write_matrix, write_tables
from histospace_core.settings import get_settings
from histospace_core.shipped import SHIPPED
from histospace_core.slides.open import open_slide
from histospace_core.slides.plan import plan_tiles
from histospace_core.slides.tissue import find_tissue

MODEL = SHIPPED / "models" / "histospace-plus-her2st"
TISSUE = 0.34
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]

WATCH = """
window.waitFor = (gene, slide) => new Promise((resolve) => {
  const shown = gene ? `[data-shown="${gene}"]` : "[data-shown]";
  const panel = `.panel${shown}${slide ? "[data-slide]" : ""}`;
  const mounted = () => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  const look = () => {
    if (!mounted().some((el) => el.shadowRoot?.querySelector(panel))) requestAnimationFrame(look);
    else requestAnimationFrame(() => resolve(performance.now() - window.began));
  };
  look();
});
for (const kind of ["click", "keydown"])
  window.addEventListener(kind, () => { window.began = performance.now(); }, true);
"""


def make_store(store: Path, side: int, n_tiles: int) -> tuple[str, str]:
    """Fill a store with the slide and a finished run; return their ids."""
    os.environ["HISTOSPACE_STORE"] = str(store)
    settings = get_settings()
    slide_id = "5" * 32
    file = settings.slides_dir / slide_id / "slide.tif"
    file.parent.mkdir(parents=True)
    mpp = 0.69 * 128 / (side * np.sqrt(TISSUE / n_tiles))  # as many tiles of 128 px at 0.69 um
    make_slide(file, side, mpp=mpp, tissue=TISSUE)
    catalog = Catalog(settings.catalog_url)
    catalog.migrate()
    with open_slide(file) as slide:
        row = catalog.add_slide(
            file, "generated.tif", "5" * 64, slide.properties, slide_id=slide_id
        )
        plan = plan_tiles(slide, find_tissue(slide), tile_px=128, um_per_px=0.69)
    run = catalog.add_run(row.id, MODEL.name, {}, runs_dir=settings.runs_dir)
    run.directory.mkdir(parents=True)
    slide_record = SlideRecord(
        name=row.name,
        sha256=row.sha256,
        width=side,
        height=side,
        mpp=mpp,
        mpp_source="file",
        vendor=row.vendor,
        reader=row.reader,
    )
    record = made_record(slide_record, MODEL.name, plan.n_tiles, plan.tile_level0)
    write_run(run.directory, plan.centres, plan.grid, record)
    catalog.claim(run.id, "benchmark")
    catalog.finish(run.id, record=record)
    catalog.close()
    print(f"{side} px, {plan.n_tiles:,} tiles of {plan.tile_level0:.0f} px, {mpp:.3f} um/px")
    return row.id, run.id


def write_run(folder: Path, centres: Any, grid: Any, record: RunRecord) -> None:
    """Write smooth random values for the genes of the model."""
    rng = np.random.default_rng(0)
    var = pd.read_csv(MODEL / "genes.csv", index_col="gene", keep_default_na=False)
    numbers = var.columns.difference(["gene_id", "reliable"])
    var[numbers] = var[numbers].apply(pd.to_numeric, errors="coerce")
    column, row = grid.T
    fields = [
        gaussian_filter(rng.normal(size=(row.max() + 1, column.max() + 1)), s) for s in (2, 8, 24)
    ]
    base = np.column_stack([(f / f.std())[row, column] for f in fields]).astype(np.float32)
    weights = rng.normal(0.3, 0.2, (3, len(var))).astype(np.float32)

    def values(rows: slice) -> Any:
        smooth = base[rows] @ weights
        return 1 + smooth + rng.normal(0, 0.1, smooth.shape).astype(np.float32)

    n = len(centres)
    obs = pd.DataFrame(
        {"qc": "ok", "domain_score": rng.random(n, dtype=np.float32)},
        index=[f"tile{i:06d}" for i in range(n)],
    )
    write_matrix(folder, values, (n, len(var)))
    write_tables(folder, obs, var, centres, record)


@contextmanager
def serve(store: Path) -> Iterator[tuple[str, int]]:
    """Serve the app on the store; yield its address and process id."""
    port = free_port()
    app = start_app(store, port, settle=10)
    try:
        yield f"http://localhost:{port}", app.pid
    finally:
        app.terminate()
        app.wait()


async def first_view(page: Page, url: str) -> float:
    """Return ms from the click on a run to the complete slide and map."""
    await page.goto(f"{url}/runs")
    link = page.get_by_test_id("stMain").get_by_role("link", name="Gene map").first
    await link.wait_for()
    await page.wait_for_timeout(500)
    done = await page.evaluate_handle("() => ({ promise: waitFor(null, true) })")
    await link.click()
    return float(await done.evaluate("done => done.promise"))


async def switch(page: Page, gene: str) -> float | None:
    """Return ms from the Enter that chooses a gene to its complete map.

    None if the typed name finds another gene first.
    """
    box = page.get_by_role("combobox", name="Gene, of")
    await box.focus()
    await box.press("ArrowDown")
    await page.keyboard.type(gene)
    await page.wait_for_timeout(300)
    if not (await page.get_by_role("option").first.inner_text()).startswith(f"{gene} "):
        await page.keyboard.press("Escape")
        return None
    done = await page.evaluate_handle("gene => ({ promise: waitFor(gene, false) })", gene)
    await page.keyboard.press("Enter")
    return float(await done.evaluate("done => done.promise"))


async def visitor(browser: Browser) -> Page:
    """Return the page of a new visitor."""
    context = await browser.new_context(viewport={"width": 1440, "height": 1000})
    await context.add_init_script(WATCH)
    page = await context.new_page()
    page.set_default_timeout(60_000)
    return page


def time_requests(links: list[str]) -> list[float]:
    """Return ms of each request, one after the other."""
    elapsed = []
    with httpx.Client() as client:
        for link in links:
            started = time.perf_counter()
            client.get(link).raise_for_status()
            elapsed.append(1000 * (time.perf_counter() - started))
    return elapsed


def tile_links(
    url: str, slide_id: str, run_id: str, genes: list[str], n: int
) -> dict[str, list[str]]:
    """Return links to random tiles of the slide, on all levels, and to the values of genes."""
    from histospace_core.server import close_context, get_context
    from histospace_core.server.tile_routes import run_layer, slide_tiles

    pyramid = get_context().tiles.open_run(run_id).pyramid
    slide, layer = slide_tiles(slide_id), run_layer(run_id)
    close_context()
    rng = random.Random(0)
    found: dict[str, list[str]] = {"slide": [], "gene": []}
    for _ in range(n):
        level = rng.randint(pyramid.first, pyramid.last)
        columns, rows = pyramid.shape(level)
        place = f"{level}/{rng.randrange(columns)}_{rng.randrange(rows)}"
        found["slide"].append(f"{url}{slide[0]}/{place}.jpg?token={slide[1]}")
    found["gene"] = [f"{url}{layer[0]}/values.bin?gene={g}&token={layer[1]}" for g in genes]
    return {kind: list(dict.fromkeys(links)) for kind, links in found.items()}


def report(what: str, ms: list[float], asked: float) -> None:
    p50, p95 = np.percentile(ms, [50, 95])
    if not ms:
        return
    print(f"{what:34} n {len(ms):4}  median {p50:7.0f}  p95 {p95:7.0f}  target {asked:.0f} ms")


async def measure(store: Path, ids: tuple[str, str], n_switches: int, n_requests: int) -> None:
    """Serve the app, drive it, and print the times."""
    genes = gene_names()
    with serve(store) as (url, _):
        links = tile_links(url, *ids, genes, n_requests)
        print(f"load average, one minute: {os.getloadavg()[0]:.1f}")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            views: list[float] = []
            for _ in range(7):
                page = await visitor(browser)
                views.append(await first_view(page, url))
                await page.context.close()
            page = await visitor(browser)
            views.append(await first_view(page, url))
            print(f"{'first view, cold server':34} {views[0]:.0f} ms")
            report("first view, new visitor", views[1:], 2000)
            times: list[float] = []
            for gene in random.Random(1).sample(typeable(genes), n_switches):
                ms = await switch(page, gene)
                times += [] if ms is None else [ms]
                await page.wait_for_timeout(300)
            report("change of gene", times, 300)
            await browser.close()
        for kind, what in (("slide", "slide tile"), ("gene", "values of a gene")):
            report(f"{what}, cold", time_requests(links[kind]), 150)
            report(f"{what}, warm", time_requests(links[kind]), 40)


def gene_names() -> list[str]:
    """Return the genes of the run."""
    return pd.read_csv(MODEL / "genes.csv", keep_default_na=False)["gene"].tolist()


def typeable(genes: list[str]) -> list[str]:
    """Return the genes whose typed name seldom finds another gene first."""
    return [gene for gene in genes if len(gene) > 4]


def stocked(store: Path, side: int, n_tiles: int) -> tuple[str, str]:
    """Make a store, or reuse an existing one; return the ids of its slide and run."""
    kept = store / "benchmark.txt"
    if not kept.exists():
        kept.write_text(" ".join(make_store(store, side, n_tiles)))
    os.environ["HISTOSPACE_STORE"] = str(store)
    slide_id, run_id = kept.read_text().split()
    return slide_id, run_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=61_440)
    parser.add_argument("--tiles", type=int, default=20_000)
    parser.add_argument("--switches", type=int, default=40)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--store", type=Path, help="store of an earlier call; made if new")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = asked.store or Path(name) / "store"
        ids = stocked(store, asked.side, asked.tiles)
        asyncio.run(measure(store, ids, asked.switches, asked.requests))


if __name__ == "__main__":
    main()
