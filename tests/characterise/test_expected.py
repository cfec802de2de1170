"""What to expect of true expression in a region of a run."""

import numpy as np
import pytest
from builders.finished_runs import GENES, add_run, add_slide
from builders.slide_files import make_slide

from histospace_core.characterise import expected_in_region, expected_signatures
from histospace_core.characterise.expected import EXPECTED_COLUMNS
from histospace_core.characterise.signatures import Signature
from histospace_core.errors import StoreError
from histospace_core.inference import open_prediction

SURE, UNSURE, UNKNOWN = GENES


@pytest.fixture
def prediction(server, tmp_path):
    slide = add_slide(server.context, make_slide(tmp_path / "slide.png"))
    return open_prediction(add_run(server.context, slide).directory)


@pytest.fixture
def inside(prediction):
    """The half of the tiles in which the map of the first gene is high."""
    return np.arange(prediction.n_tiles) >= prediction.n_tiles // 2


def test_a_confirmed_map_gives_a_direction_and_a_doubtful_one_none(prediction, inside) -> None:
    found = expected_in_region(prediction, inside)
    assert list(found.columns) == ["gene", *EXPECTED_COLUMNS]
    sure, unsure, unknown = found.set_index("gene").loc[list(GENES)].to_dict("records")
    assert sure["fold_low"] > 1
    assert sure["wrong_direction"] < 0.05
    assert unsure["fold_low"] < 1 < unsure["fold_high"]
    assert unsure["wrong_direction"] > 0.1
    assert np.isnan(unknown["expected_low"]), "its level is unknown"
    ratio = np.log(sure["fold_high"] / sure["fold_change"])
    assert np.log(sure["fold_change"] / sure["fold_low"]) == pytest.approx(ratio)


def test_the_rest_mirrors_the_region(prediction, inside) -> None:
    one, other = (expected_in_region(prediction, part, [SURE]) for part in (inside, ~inside))
    assert one["fold_change"][0] * other["fold_change"][0] == pytest.approx(1)
    assert one["wrong_direction"][0] == pytest.approx(other["wrong_direction"][0])
    assert one["expected_low"][0] > other["expected_low"][0]


def test_a_signature_is_no_surer_than_its_genes(prediction, inside) -> None:
    lists = [Signature("mine", "", (SURE, UNSURE)), Signature("other", "", ("ELSEWHERE",))]
    found = expected_signatures(prediction, inside, lists)
    assert list(found["signature"]) == ["mine"], "no reliable gene, no sum"
    assert found["n_genes"][0] == 1, "only reliable genes"
    alone = expected_in_region(prediction, inside, [SURE])
    for column in EXPECTED_COLUMNS[2:]:
        assert found[column][0] == pytest.approx(alone[column][0])


def test_an_unknown_gene_is_refused_and_no_gene_has_no_row(prediction, inside) -> None:
    with pytest.raises(StoreError, match="no gene 'NOSUCH'"):
        expected_in_region(prediction, inside, [SURE, "NOSUCH"])
    assert len(expected_in_region(prediction, inside, [])) == 0


def test_nothing_is_said_without_a_rest_or_by_an_older_model(prediction, inside) -> None:
    everything = np.ones_like(inside)
    assert expected_in_region(prediction, everything) is None
    assert expected_in_region(prediction, ~everything) is None
    prediction = open_prediction(prediction.run_dir)
    del prediction.record.model.metrics["interval"]["autocorrelation"]
    assert expected_in_region(prediction, inside) is None
