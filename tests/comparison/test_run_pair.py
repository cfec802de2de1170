"""Two runs of one slide: agreement by gene, on one grid and on two."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.records import run_record

from histospace_core.comparison.run_pair import pair_runs
from histospace_core.errors import StoreError
from histospace_core.inference import Prediction, open_prediction
from histospace_core.inference.store import write_matrix, write_tables

GENES = ("ERBB2", "COL1A1", "CD74", "KRT19")
SIDE = 4000


def surface(centres: np.ndarray, genes: int) -> np.ndarray:
    """Smooth maps, each gene in a direction of its own: (n, genes)."""
    angle = np.arange(genes) * np.pi / genes
    return np.sin(centres / SIDE * 4 @ np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)


def make_run(
    folder: Path,
    *,
    stride: float = 100.0,
    genes: tuple[str, ...] = GENES,
    gain: float = 1.0,
    blurred: int = 0,
    sha256: str = "ab",
    unit: str = "log10_cp10k",
) -> Prediction:
    """Write a run of the same maps, on a grid of its own."""
    steps = np.arange(stride / 2, SIDE, stride)
    centres = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    all_maps = dict(zip(GENES, surface(centres, len(GENES)).T, strict=True))
    values = gain * np.column_stack([all_maps.get(gene, centres[:, 0]) for gene in genes])
    values[:blurred] = np.nan
    obs = pd.DataFrame(
        {"qc": ["blurred"] * blurred + ["ok"] * (len(centres) - blurred), "domain_score": 0.5},
        index=[f"t{i}" for i in range(len(centres))],
    )
    var = pd.DataFrame({"held_out_pearson": 0.1, "reliable": True}, index=list(genes))
    record = run_record(
        slide={"width": SIDE, "height": SIDE, "sha256": sha256},
        model={"expression_unit": unit},
        tiles={"side_level0_px": 100.0, "stride_level0_px": stride},
    )
    folder.mkdir()
    write_matrix(folder, values.astype(np.float32).__getitem__, values.shape, dtype="float32")
    write_tables(folder, obs, var, centres, record)
    return open_prediction(folder)


def test_a_run_agrees_with_itself_more_than_with_another_gene(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    pair = pair_runs(run, run)
    np.testing.assert_allclose(pair.genes["pearson"], 1.0)
    assert (pair.genes["other_gene_pearson"].abs() < 0.9).all()
    np.testing.assert_allclose(pair.genes[["mean_difference", "rmse"]], 0.0)
    assert pair.n_tiles == run.n_tiles
    assert (pair.quality["difference"] == 0).all()


def test_each_score_is_what_its_definition_says(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a", blurred=40)
    other = make_run(tmp_path / "b", gain=2.0, genes=(*GENES[::-1], "ACTB"))
    pair = pair_runs(one, other)
    assert list(pair.genes.index) == list(GENES)
    assert pair.n_tiles == one.n_tiles - 40
    for gene in GENES:
        x, y = one.gene(gene)[40:].astype(float), other.gene(gene)[40:].astype(float)
        row = pair.genes.loc[gene]
        assert row.pearson == pytest.approx(np.corrcoef(x, y)[0, 1])
        assert row.mean_difference == pytest.approx((y - x).mean(), abs=1e-6)
        assert row.rmse == pytest.approx(np.sqrt(((y - x) ** 2).mean()), rel=1e-5)
    assert pair.quality.loc["blurred"].tolist() == [40, 0, -40]
    assert pair.quality.loc["ok"].tolist() == [one.n_tiles - 40, one.n_tiles, 40]


@pytest.mark.parametrize("coarse_first", [True, False])
def test_a_finer_grid_is_brought_to_the_coarser(tmp_path: Path, coarse_first: bool) -> None:
    runs = [make_run(tmp_path / "a", stride=100.0), make_run(tmp_path / "b", stride=40.0)]
    pair = pair_runs(*(runs if coarse_first else runs[::-1]))
    assert pair.n_tiles == runs[0].n_tiles
    assert (pair.genes["pearson"] > 0.999).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sha256": "cd"}, "are of different slides"),
        ({"unit": "raw"}, "different quantities"),
        ({"genes": ("ACTB", "GAPDH")}, "no gene in common"),
        ({"blurred": 1595}, "Only 5 tiles are predicted by both"),
    ],
)
def test_what_cannot_be_compared_is_said(tmp_path: Path, change: dict, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        pair_runs(make_run(tmp_path / "a"), make_run(tmp_path / "b", **change))
