"""Let many people change genes in the viewer at once, and watch the server's memory.

    python -m benchmarks.sessions [--people 10] [--seconds 120] [--pause 4] [--store DIR]

Slide, run and app are those of `benchmarks.viewer`. Each person has a separate browser context
and looks at a map for `--pause` seconds on average before choosing the next gene. The browsers run
on the same machine as the server and compete with it. Times are from the key press to the complete
map.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

import psutil
from playwright.async_api import Browser, async_playwright

from benchmarks.viewer import (
    CHROMIUM,
    FLAGS,
    first_view,
    gene_names,
    report,
    serve,
    stocked,
    switch,
    typeable,
    visitor,
)

MB = 1 << 20


def memory(pid: int) -> float:
    """Return the memory of a process and its children, MB."""
    process = psutil.Process(pid)
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / MB


async def person(browser: Browser, url: str, number: int, seconds: float, pause: float) -> list:
    """Change genes for a while; return the time of each change, ms. Any error stops everyone."""
    page, errors, chance = await visitor(browser), [], random.Random(number)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await first_view(page, url)
    times, genes, until = [], typeable(gene_names()), time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
        ms = await switch(page, chance.choice(genes))
        times += [] if ms is None else [ms]
    wrong = await page.get_by_test_id("stException").count() + len(errors)
    assert not wrong, errors
    await page.context.close()
    return times


async def watch(pid: int, every: float = 10) -> None:
    """Print the server's memory every `every` seconds."""
    began = time.monotonic()
    while True:
        print(f"{time.monotonic() - began:5.0f} s  server {memory(pid):6.0f} MB", flush=True)
        await asyncio.sleep(every)


async def measure(store: Path, people: int, seconds: float, pause: float) -> None:
    """Serve the app, run all people, and print the times."""
    with serve(store) as (url, pid):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            watching = asyncio.create_task(watch(pid))
            everyone = [person(browser, url, n, seconds, pause) for n in range(people)]
            times = [ms for one in await asyncio.gather(*everyone) for ms in one]
            watching.cancel()
            await browser.close()
        report(f"change of gene, {people} people", times, 1000)
        await asyncio.sleep(20)
        print(f"server, 20 s after they left: {memory(pid):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--pause", type=float, default=4)
    parser.add_argument("--store", type=Path, help="store of `benchmarks.viewer`; made if new")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = asked.store or Path(name) / "store"
        stocked(store, 61_440, 20_000)
        asyncio.run(measure(store, asked.people, asked.seconds, asked.pause))


if __name__ == "__main__":
    main()
