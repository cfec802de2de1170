"""A run, characterised: what it finds in tissue that is known, and what it marks."""

from pathlib import Path

import numpy as np
import pytest
from characteriseruns import make_run
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise.run import characterise_run
from histospace_core.errors import MeasurementError, StoreError


def test_tumour_and_stroma_are_found_and_named(tmp_path: Path) -> None:
    tumour = make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    best = found.domains.best
    assert best[0] == -1, "unreadable"
    assert adjusted_rand_score(tumour[1:], best[1:]) > 0.7
    ill = np.bincount(best[1:][tumour[1:]]).argmax()
    assert found.names[ill].endswith("Epithelium")
    assert any(name.endswith("Stroma") for name in found.names)
    facts = found.summary["domains"][ill]
    assert set(facts["top_markers"]) & {"KRT8", "KRT18", "KRT19"}
    assert 0.5 < facts["confidence"] <= 1


def test_only_reliable_genes_count_and_the_share_is_said(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    assert found.summary["n_genes_used"] == 12
    assert found.summary["share_reliable"] == 0.6
    assert found.markers is not None
    assert {"DCN", "EPCAM"}.isdisjoint(found.markers.table["gene"])
    every = characterise_run(tmp_path / "run", all_genes=True)
    assert every.summary["n_genes_used"] == 20
    assert any("only 60% are reliable" in w for w in every.summary["warnings"])


def test_foreign_tiles_are_marked(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    found = characterise_run(tmp_path / "run")
    assert found.foreign.sum() == 24
    shares = [d["share_outside_training_tissue"] for d in found.summary["domains"]]
    counts = [d["n_tiles"] for d in found.summary["domains"]]
    assert np.dot(shares, counts) == pytest.approx(24)


def test_a_model_without_reliable_genes_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run", reliable=False)
    with pytest.raises(MeasurementError, match="0 genes of this model are reliable"):
        characterise_run(tmp_path / "run")


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished prediction"):
        characterise_run(tmp_path)
