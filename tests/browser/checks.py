"""What a page shows, held against what the store has."""

import numpy as np
from browser import steps

from histospace_core.comparison.compare import open_comparison
from histospace_core.inference import RESEARCH_USE, Prediction, open_prediction


def look_at_map_and_tables(app, page, run_id: str, gene: str) -> None:
    """Map, lasso, CSV of both; every number is held against the store."""
    stored = open_prediction(app.store / "runs" / run_id)
    steps.choose(page, "Gene", gene)
    page.wait_for_url(f"**gene={gene}")
    look_through_the_viewer(page, stored, gene)
    page.get_by_text(f"{gene} on held-out sections").wait_for()

    table = steps.download(page, "Map as CSV")
    assert len(table) == stored.n_tiles
    np.testing.assert_array_equal(table[gene].astype("float32"), stored.gene(gene))
    np.testing.assert_array_equal(table[["x_px", "y_px"]], stored.centres)
    assert set(table["use"]) == {RESEARCH_USE}

    steps.draw(page, steps.shown(page, gene), "Lasso", steps.LOOP)
    page.wait_for_url("**region=*")
    region = steps.download(page, "Tiles of the region as CSV")
    assert 0 < len(region) < stored.n_tiles
    rows = stored.obs.index.get_indexer(region["tile"])
    np.testing.assert_array_equal(region[gene].astype("float32"), stored.gene(gene)[rows])
    middle = (stored.centres.min(axis=0) + stored.centres.max(axis=0)) / 2
    spread = np.ptp(stored.centres, axis=0)
    assert (np.abs(region[["x_px", "y_px"]] - middle) < 0.4 * spread).all(axis=None), "the middle"


def look_through_the_viewer(page, stored: Prediction, gene: str) -> None:
    """What the pointer reads is held against the store, at a few places over the tissue."""
    panel = steps.shown(page, gene)
    values, half = stored.gene(gene), stored.tile_level0 / 2
    stage = panel.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    n_read = 0
    for across, down in ((0.5, 0.5), (0.6, 0.4), (0.4, 0.6), (0.02, 0.02)):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        text = panel.locator(".value").inner_text()
        where = page.locator(".viewer .position").inner_text().replace(",", "").split()
        place = np.array([float(where[1]), float(where[3])]) / stored.mpp
        near = (np.abs(stored.centres - place) < half - 2).all(axis=1)
        if near.any():
            value = values[np.flatnonzero(near)[0]]
            expected = "no prediction here" if np.isnan(value) else f"{value:.3f}"
            assert text.startswith(f"{gene} {expected}"), text
            n_read += 1
    assert n_read >= 2


def look_at_comparison(app, page, run_id: str) -> None:
    """Scores beside their baselines, linked selection, CSV against the files of the comparison."""
    page.get_by_text("Mean per-gene r").first.wait_for(timeout=180_000)
    # once for the map and once at the spots
    assert page.get_by_text("mean profile: 1", exact=True).count() == 2
    page.wait_for_url("**comparison=*")
    (folder,) = (app.store / "runs" / run_id / "comparisons").iterdir()
    stored = open_comparison(folder)

    table = steps.download(page, "Scores of all genes as CSV")
    np.testing.assert_allclose(table["pearson"], stored.genes["pearson"])
    np.testing.assert_allclose(table["mse_ratio_to_mean"], stored.genes["mse_ratio_to_mean"])

    page.wait_for_url("**gene=*")
    gene = steps.parameter(page, "gene")
    spots = steps.download(page, "at every spot as CSV")
    for layer in ("measured", "predicted"):
        expected = np.asarray(stored.spots[:, gene].layers[layer]).ravel()
        np.testing.assert_array_equal(spots[layer].astype("float32"), expected.astype("float32"))

    for number in range(3):
        steps.plot(page, number)
    steps.lasso(page, steps.plot(page, 0))
    assert 0 < steps.selected(page) < stored.spots.n_obs
    for number in range(3):
        faded = "el => el.data[0].selectedpoints?.length"
        assert steps.plot(page, number).evaluate(faded) == steps.selected(page), "linked"
