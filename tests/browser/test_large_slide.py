"""A slide of 61,440 px a side: uploaded, predicted, looked at, compared, kept in order.

Maps, regions, lists and mixtures of it are in the tests that take `any_run`.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from browser import checks, steps

from histospace_core.inference import Prediction, open_prediction

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


def measure(prediction: Prediction, file: Path, n_spots: int = 200) -> Path:
    """Write counts as a machine might have found them at some of the tiles."""
    rng = np.random.default_rng(0)
    known = np.flatnonzero(np.isfinite(prediction.gene("ERBB2")))
    tiles = rng.choice(known, n_spots, replace=False)
    genes = list(prediction.genes[:400])
    values = np.column_stack([prediction.gene(gene)[tiles] for gene in genes])
    spots = ad.AnnData(
        rng.poisson(10**values).astype(np.float32),
        obs=pd.DataFrame(index=[f"spot{i}" for i in range(n_spots)]),
        var=pd.DataFrame(index=genes),
        obsm={"spatial": prediction.centres[tiles]},
    )
    spots.write_h5ad(file)
    return file


def test_a_large_slide_from_map_to_comparison(app, page, large_run, tmp_path):
    stored = open_prediction(app.store / "runs" / large_run)
    assert stored.record.slide.width == 61_440
    assert stored.n_tiles > 500
    page.goto(f"/gene_map?run={large_run}")
    checks.look_at_map_and_tables(app, page, large_run, "ERBB2")

    page.goto(f"/compare?run={large_run}")
    steps.upload(page, "Counts, .h5ad or zip", measure(stored, tmp_path / "measured.h5ad"))
    page.get_by_text("measured.h5ad is uploaded").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    checks.look_at_comparison(app, page, large_run)


def test_a_large_slide_is_close_to_the_eye_at_once(page, large_run):
    page.goto(f"/gene_map?run={large_run}&gene=ERBB2")
    panel = steps.shown(page, "ERBB2")
    stage = panel.locator(".stage")
    stage.hover()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(24):  # from all of it to its pixels
        page.mouse.wheel(0, -600)
        page.wait_for_timeout(100)
    panel.locator(".scale-bar", has_text="µm").wait_for()
    levels = {int(url.split("/")[-2]) for url in asked if "/tiles/" in url}
    assert max(levels) == 16, "2**16 px: its own resolution"
    page.get_by_label("Predicted ERBB2 over the slide").press("0")
    panel.locator(".scale-bar", has_text="mm").wait_for()
