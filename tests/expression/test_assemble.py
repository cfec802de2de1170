from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression.assemble import RawCounts, assemble, require_counts


def notes(genes: int, *said: str, library: bool = False) -> list[str]:
    """Return what is said of a section of so many genes."""
    raw = RawCounts(
        source=Path("a"),
        kind="h5ad",
        counts=sparse.csr_matrix(np.ones((2, genes))),
        spots=["a", "b"],
        names=[f"ENSG{i:011d}" for i in range(genes)],
        centres=np.array([[0.0, 0], [9, 9]]),
        notes=list(said),
        library=np.array([50.0, 60]) if library else None,
    )
    found: list[str] = assemble(raw).uns["histospace"]["notes"]
    return [note for note in found if "panel" in note]


@pytest.mark.parametrize(("genes", "panel"), [(377, True), (5_006, True), (17_500, False)])
def test_a_panel_is_named_up_to_the_largest(genes: int, panel: bool) -> None:
    assert bool(notes(genes)) == panel
    if panel:
        assert notes(genes)[0].startswith(f"{genes:,} genes were measured, as by a targeted panel")


def test_a_panel_that_the_file_names_is_said_once() -> None:
    said = "The counts are of a targeted panel (Human Immunology, 1,056 genes)."
    assert notes(60, said) == [said]


def test_library_sizes_that_the_file_states_are_not_of_the_panel() -> None:
    assert notes(60, library=True) == []


def test_a_matrix_of_only_ones_is_no_count_matrix() -> None:
    ones = sparse.csr_matrix(np.ones((200, 600)))
    with pytest.raises(MeasurementError, match="whether a gene was found"):
        require_counts(ones, Path("s.h5ad"))
    ones.data[0] = 2
    require_counts(ones, Path("s.h5ad"))


@pytest.mark.parametrize("levelled", [True, False])
def test_spots_of_one_depth_are_told_from_counted_ones(levelled: bool) -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.3, 1, (60, 400))
    counts = rng.poisson(rates * rng.gamma(4, 3, (60, 1)))
    if levelled:  # to 10,000, and rounded, as an export for another program may be
        counts = np.round(1e4 * counts / counts.sum(1, keepdims=True))
    raw = RawCounts(
        source=Path("a"),
        kind="h5ad",
        counts=sparse.csr_matrix(counts),
        spots=[f"s{i}" for i in range(60)],
        names=[f"ENSG{i:011d}" for i in range(400)],
        centres=rng.uniform(0, 1e4, (60, 2)),
    )
    said: list[str] = assemble(raw).uns["histospace"]["notes"]
    assert any("nearly the same total count (about " in note for note in said) == levelled
