"""Legacy ST: which spots of a table of counts are kept, and where they lie."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES

from histospace_core.errors import MeasurementError
from histospace_core.expression.legacy import read_legacy


def test_selected_and_counted_spots_are_kept(legacy: tuple[Path, Path], counts: np.ndarray) -> None:
    raw = read_legacy(*legacy)
    assert raw.spots == ["2x5", "3x5", "1x6", "2x6", "3x6"]
    assert raw.counts.toarray().tolist() == counts[1:].tolist()
    assert raw.centres[0].tolist() == [2 * 290.5, 5 * 291.25]
    assert raw.notes == ["1 spots with counts are not under tissue and were left out."]


def test_positions_follow_the_order_of_the_counts(legacy: tuple[Path, Path]) -> None:
    table = pd.read_csv(legacy[1], sep="\t").sample(frac=1, random_state=0)
    expected = read_legacy(*legacy).centres
    table.to_csv(legacy[1], sep="\t", index=False)
    assert np.array_equal(read_legacy(*legacy).centres, expected)


def test_a_transposed_table_is_accepted(legacy: tuple[Path, Path], counts: np.ndarray) -> None:
    pd.read_csv(legacy[0], sep="\t", index_col=0).T.to_csv(legacy[0], sep="\t")
    raw = read_legacy(*legacy)
    assert raw.counts.toarray().tolist() == counts[1:].tolist()
    assert "transposed" in raw.notes[0]


def test_spots_of_another_section(legacy: tuple[Path, Path]) -> None:
    legacy[1].write_text("x\ty\tpixel_x\tpixel_y\tselected\n90\t90\t5\t5\t1\n")
    with pytest.raises(MeasurementError, match="no selected spot in common"):
        read_legacy(*legacy)


def test_spots_not_listed_are_told_apart_from_spots_not_selected(
    legacy: tuple[Path, Path], counts: np.ndarray
) -> None:
    table = pd.read_csv(legacy[1], sep="\t")
    table[table["x"] != 3].to_csv(legacy[1], sep="\t", index=False)
    raw = read_legacy(*legacy)
    assert raw.counts.toarray().tolist() == counts[[1, 3, 4]].tolist()
    assert raw.notes == [
        "1 spots with counts are not under tissue and were left out.",
        "2 spots with counts are not in the spot file and were left out.",
    ]


def test_what_the_flag_dropped_is_said_before_anything_else(legacy: tuple[Path, Path]) -> None:
    pd.read_csv(legacy[1], sep="\t").assign(selected=0).to_csv(legacy[1], sep="\t", index=False)
    with pytest.raises(MeasurementError, match=r"S_selection\.tsv: 6 of 6 spots are marked as not"):
        read_legacy(*legacy)


def test_columns_that_describe_the_spot_are_not_genes(
    legacy: tuple[Path, Path], counts: np.ndarray
) -> None:
    table = pd.read_csv(legacy[0], sep="\t", index_col=0)
    table.insert(2, "n_counts", table.sum(axis=1))
    table.assign(array_row=7).to_csv(legacy[0], sep="\t")
    raw = read_legacy(*legacy)
    assert raw.names == GENES
    assert raw.counts.toarray().tolist() == counts[1:].tolist()
    assert "Columns that are not genes were left out: n_counts, array_row." in raw.notes


def test_both_sides_named_as_spots(legacy: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "both.tsv").write_text("\t1x1\t1x2\n1x1\t1\t2\n2x1\t3\t4\n")
    with pytest.raises(MeasurementError, match="are both named by array positions"):
        read_legacy(tmp_path / "both.tsv", legacy[1])


def test_table_that_r_wrote(legacy: tuple[Path, Path], counts: np.ndarray) -> None:
    """`write.table` without a corner cell; `check.names` has put an X before each digit."""
    table = pd.read_csv(legacy[0], sep="\t", index_col=0).T.rename(columns=lambda c: f"X{c}")
    table.to_csv(legacy[0], sep=" ", quoting=2, index_label=False)
    assert read_legacy(*legacy).counts.toarray().tolist() == counts[1:].tolist()
