"""A slide and a finished run on it in a store, without the minutes that a prediction takes."""

from pathlib import Path

import numpy as np
import pandas as pd
from builders.records import run_record

from histospace_core.catalog import RunRow, SlideRow
from histospace_core.inference.store import write_matrix, write_tables
from histospace_core.server import Context
from histospace_core.slides.open import open_slide

GENES = ("ERBB2", "COL1A1", "A&B/C?")
TILE = 100.0


def add_slide(context: Context, file: Path, mpp: float = 0.5, slide_id: str = "a" * 32) -> SlideRow:
    """Enter a file in the catalog, in a folder of its own in the store."""
    folder = context.settings.slides_dir / slide_id
    folder.mkdir(parents=True)
    here = folder / f"slide{file.suffix}"
    here.write_bytes(file.read_bytes())
    with open_slide(here, mpp) as slide:
        properties = slide.properties
    sha256 = slide_id[:1] * 64
    return context.catalog.add_slide(here, file.name, sha256, properties, slide_id=slide_id)


def add_run(context: Context, slide: SlideRow, columns: int = 12, rows: int = 8) -> RunRow:
    """Enter a finished run: tiles of `TILE` px, the last without a value, the first out_of_domain.

    The value of tile i is i / n for the first gene, 1 - i / n for the others.
    """
    run = context.catalog.add_run(slide.id, "small", {}, runs_dir=context.settings.runs_dir)
    run.directory.mkdir(parents=True)
    n = columns * rows
    y, x = np.divmod(np.arange(n), columns)
    rise = np.arange(n, dtype=np.float32) / n
    values = np.column_stack([rise, 1 - rise, 1 - rise])
    values[-1] = np.nan
    obs = pd.DataFrame(
        {"qc": "ok", "domain_score": np.where(np.arange(n) == 0, 1.0, 0.5).astype(np.float32)},
        index=pd.Index([f"tile{i:06d}" for i in range(n)], name="tile"),
    )
    var = pd.DataFrame(
        {
            "gene_id": ["ENSG00000141736", "ENSG00000108821", ""],
            "held_out_pearson": [0.3, -0.1, np.nan],
            "mse_ratio_to_mean": [0.8, 1.2, np.nan],
            "reliable": [True, False, False],
            "level_log10_cp10k": [0.2, 0.4, np.nan],
            "level_sd": [0.2, 0.3, np.nan],
            "spot_sd": [0.1, 0.2, np.nan],
            "map_slope": [0.8, 0.3, 0.3],
            "map_slope_sd": [0.1, 0.6, 0.6],
            "confirmed_scale": ["200 um", "slide", "slide"],
        },
        index=pd.Index(GENES, name="gene"),
    )
    interval = {
        "level": 0.9,
        "level_df": 8.0,
        "depths": [1000.0, 2000.0],
        "n_patients": 7,
        "promise": "Seven patients were counted.",
        "autocorrelation": {"share": 0.8, "range_um": 200.0},
    }
    record = run_record(
        model={"metrics": {"interval": interval}},
        slide={"width": slide.width, "height": slide.height},
        tiles={"total": n, "side_level0_px": TILE, "stride_level0_px": TILE},
    )
    write_matrix(run.directory, values.__getitem__, values.shape, dtype="float32")
    write_tables(run.directory, obs, var, (np.column_stack([x, y]) + 0.5) * TILE, record)
    context.catalog.claim(run.id, "test")
    context.catalog.finish(run.id, record=record)
    return context.catalog.run(run.id)
