"""One signature over a run: the same as all of it scored at once, and what its package knows."""

import numpy as np
import pytest
from builders.characterised_runs import OTHER, STROMA, make_run

from histospace_core.characterise import Signature, read_gmt, score_signatures
from histospace_core.characterise.signature_map import held_out_skill, signature_map
from histospace_core.inference import Prediction, open_prediction

LIST = Signature("stroma", "here", (*STROMA, "NOVEL1"))


@pytest.fixture(scope="module")
def prediction(tmp_path_factory: pytest.TempPathFactory) -> Prediction:
    folder = tmp_path_factory.mktemp("map") / "run"
    skill = {"held_out_pearson": 0.5, "random_pearson": 0.2, "random_p95": 0.4}
    make_run(folder, signatures={read_gmt()[0].name: skill})
    return open_prediction(folder)


def test_it_is_what_the_whole_table_gives(prediction: Prediction) -> None:
    found = signature_map(prediction, LIST)
    whole = score_signatures(prediction.to_anndata(), [LIST])
    np.testing.assert_allclose(found.values, whole.scores[:, 0], atol=1e-5)
    assert found.facts["n_used"] == whole.table.iloc[0]["n_used"] == 3  # one is not reliable
    assert (found.facts["n_genes"], found.facts["n_known"]) == (5, 4)
    assert np.isnan(found.values[0]), "the tile that could not be read"
    assert found.scored


@pytest.mark.parametrize("genes", [("NOVEL1", "NOVEL2", "NOVEL3"), tuple(OTHER[-4:])])
def test_a_list_without_three_reliable_genes_has_no_map(
    prediction: Prediction, genes: tuple[str, ...]
) -> None:
    found = signature_map(prediction, Signature("few", "", genes))
    assert not found.scored
    assert np.isnan(found.values).all()
    assert found.facts["note"].startswith("not scored: 0 of")


def test_only_the_list_that_was_scored_has_a_held_out_score(prediction: Prediction) -> None:
    shipped = read_gmt()[0]
    skill = held_out_skill(prediction, shipped)
    assert skill is not None
    assert skill["held_out_pearson"] == 0.5
    impostor = Signature(shipped.name, shipped.source, (*STROMA,))
    assert held_out_skill(prediction, impostor) is None
    assert held_out_skill(prediction, LIST) is None
