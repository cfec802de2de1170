"""Xenium folders, with every sum done again by pandas."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES
from builders.spatial_outputs import PIXEL_SIZE, Xenium, gzip_of, write_xenium

from histospace_core.errors import MeasurementError
from histospace_core.expression.choice import Choice
from histospace_core.expression.measured import read_measured
from histospace_core.expression.points_to_tiles import TILE_UM
from histospace_core.expression.xenium import read_xenium

MPP = 0.5
SIDE = TILE_UM / np.sqrt(MPP**2 + (0.01 * PIXEL_SIZE) ** 2)  # the alignment has a slight slant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "output-XETG"


@pytest.fixture
def made(folder: Path) -> Xenium:
    return write_xenium(folder, GENES, mpp=MPP, n_cells=200, molecules=5_000)


def _in_tiles(made: Xenium, um: np.ndarray, counts: pd.DataFrame) -> pd.DataFrame:
    """Sum rows by tile: um to morphology pixels, and from there back to the H&E slide."""
    pixels = np.linalg.solve(made.alignment, np.c_[um / PIXEL_SIZE, np.ones(len(um))].T)[:2].T
    grid = np.floor(pixels / SIDE).astype(int)
    names = [f"x{x}y{y}" for x, y in grid]
    frame = counts.set_axis(names)[(grid >= 0).all(1)]
    return frame.groupby(level=0).sum()


def _transcripts(made: Xenium) -> pd.DataFrame:
    table = made.transcripts
    table = table[(table["qv"] >= 20) & table["feature_name"].isin(GENES)]
    places = table[["x_location", "y_location"]].to_numpy(float)
    each = pd.get_dummies(table["feature_name"])[GENES].astype(float)
    return _in_tiles(made, places, each)


def _same(folder: Path, expected: pd.DataFrame) -> None:
    raw = read_xenium(folder)
    found = pd.DataFrame(raw.counts.toarray(), index=raw.spots, columns=raw.names)
    found = found[found.sum(axis=1) > 0]
    pd.testing.assert_frame_equal(
        found.sort_index()[GENES], expected[expected.sum(1) > 0].sort_index(), check_names=False
    )
    grid = np.array([name[1:].split("y") for name in raw.spots], float)
    np.testing.assert_allclose(raw.centres, (grid + 0.5) * SIDE, rtol=0, atol=1e-6)
    assert raw.spot_diameter == pytest.approx(SIDE)


def test_transcripts_are_summed_in_tiles_of_the_slide(folder: Path, made: Xenium) -> None:
    _same(folder, _transcripts(made))


def test_the_notes_account_for_every_transcript(folder: Path, made: Xenium) -> None:
    adata = read_measured(folder)
    table = made.transcripts
    low = int((table["qv"] < 20).sum())
    control = int(((table["qv"] >= 20) & ~table["feature_name"].isin(GENES)).sum())
    notes = adata.uns["histospace"]["notes"]
    assert f"{low:,} of quality below 20, {control:,} of control probes" in notes[2]
    outside = len(table) - low - control - int(adata.X.sum())
    assert notes[1].startswith(f"{len(table) - low - control - outside:,} transcripts were added")
    assert (f"{outside:,} above or left" in notes[2]) == (outside > 0)
    assert notes[3].startswith("5 genes were measured, as by a targeted panel")
    assert adata.uns["histospace"]["format"] == "xenium"
    assert adata.var_names.tolist() == GENES
    assert adata.var["gene_id"].tolist() == [f"ENSG{i:011d}" for i in range(5)]


def test_transcripts_as_csv_and_as_bytes(folder: Path, made: Xenium) -> None:
    table = made.transcripts.assign(
        feature_name=made.transcripts["feature_name"].str.encode("ascii")
    )
    table.to_parquet(folder / "transcripts.parquet", index=False)
    _same(folder, _transcripts(made))
    (folder / "transcripts.parquet").unlink()
    made.transcripts.to_csv(folder / "transcripts.csv", index=False)
    gzip_of(folder / "transcripts.csv")
    (folder / "transcripts.csv").unlink()
    _same(folder, _transcripts(made))


def test_without_the_cell_matrix_controls_are_known_by_name(folder: Path, made: Xenium) -> None:
    (folder / "cell_feature_matrix.h5").unlink()
    _same(folder, _transcripts(made))


@pytest.mark.parametrize("csv", [False, True])
def test_cells_are_summed_where_there_are_no_transcripts(
    folder: Path, made: Xenium, csv: bool
) -> None:
    (folder / "transcripts.parquet").unlink()
    if csv:
        (folder / "cells.parquet").unlink()
        made.cells.to_csv(folder / "cells.csv", index=False)
        gzip_of(folder / "cells.csv")
        (folder / "cells.csv").unlink()
    counts = pd.DataFrame(made.counts.astype(float), columns=GENES)
    _same(folder, _in_tiles(made, made.cells[["x_centroid", "y_centroid"]].to_numpy(), counts))
    notes = read_xenium(folder).notes
    assert any("200 cells were added up" in note for note in notes)


def test_cells_without_a_position_are_counted(folder: Path, made: Xenium) -> None:
    (folder / "transcripts.parquet").unlink()
    made.cells.iloc[10:].to_parquet(folder / "cells.parquet", index=False)
    counts = pd.DataFrame(made.counts[10:].astype(float), columns=GENES)
    places = made.cells[["x_centroid", "y_centroid"]].to_numpy()[10:]
    _same(folder, _in_tiles(made, places, counts))
    assert any(note.startswith("10 cells of the matrix") for note in read_xenium(folder).notes)
    made.cells.assign(cell_id="other" + made.cells["cell_id"]).to_parquet(folder / "cells.parquet")
    with pytest.raises(MeasurementError, match="no cell in common"):
        read_xenium(folder)


def test_a_missing_file_is_named(folder: Path, made: Xenium) -> None:
    (folder / "transcripts.parquet").unlink()
    (folder / "cells.parquet").unlink()
    with pytest.raises(MeasurementError, match=r"no transcripts\.parquet, nor both cells\.parquet"):
        read_xenium(folder)
    (folder / "S1_he_imagealignment.csv").unlink()
    with pytest.raises(MeasurementError, match=r"there is no \*_he_imagealignment\.csv"):
        read_xenium(folder)


def test_several_samples_and_several_alignments_are_named(
    folder: Path, made: Xenium, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "second")
    (tmp_path / "._third").mkdir()
    shutil.copy(folder / "experiment.xenium", tmp_path / "._third")
    with pytest.raises(MeasurementError, match=r"holds 2 samples \(output-XETG, second\)"):
        read_measured(tmp_path)
    other = np.diag([2.0, 2.0, 1.0])
    pd.DataFrame(other).to_csv(folder / "S2_he_imagealignment.csv", index=False, header=False)
    with pytest.raises(MeasurementError, match=r"holds 2 libraries \(S1_he_imagealignment\.csv"):
        read_xenium(folder)
    raw = read_xenium(folder, Choice(library="S2_he_imagealignment.csv"))
    assert raw.spot_diameter == pytest.approx(TILE_UM / (2 * PIXEL_SIZE))
    _same(tmp_path / "second", _transcripts(made))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("experiment.xenium", b"{}", "the file is damaged"),
        ("experiment.xenium", json.dumps({"pixel_size": 0}).encode(), "not that of a microscope"),
        ("transcripts.parquet", b"PAR1", "the file is damaged"),
        ("cell_feature_matrix.h5", b"\x89HDF", "the HDF5 file is damaged"),
    ],
)
def test_a_damaged_file_is_named(
    folder: Path, made: Xenium, name: str, content: bytes, sentence: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(MeasurementError, match=f"{name}: .*{sentence}"):
        read_xenium(folder)


def test_a_position_that_is_not_a_number_is_refused(folder: Path, made: Xenium) -> None:
    made.transcripts.assign(x_location=np.nan).to_parquet(folder / "transcripts.parquet")
    with pytest.raises(MeasurementError, match="a position is missing"):
        read_xenium(folder)
