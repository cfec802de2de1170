"""HistoSPACE+ learns, repeats itself, resumes, and says what is out_of_domain to it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.cohorts import N_GENES, make_section

from histospace_core.errors import Cancelled
from histospace_core.evaluation import per_gene_pearson
from histospace_core.networks.histospace_plus import FROZEN, PLUS_VIEWS
from histospace_core.progress import Progress
from histospace_core.training import SectionData, TrainingSet
from histospace_core.training.histospace_plus import (
    HISTOSPACE_PLUS,
    TrainedPlus,
    columns_of_blocks,
    fit_plus,
)
from histospace_core.training.method import FitContext
from histospace_core.training.recipe import PLUS

CPU = torch.device("cpu")
QUICK = PLUS.with_(autoencoder_epochs=1, autoencoder_batch=16, epochs=2, batch=16, n_programmes=3)
MARGIN = 4


def _section(name: str, patient: str, n: int = 12) -> SectionData:
    """As `make_section`, seen in five views."""
    base = make_section(name, patient, n)
    side = PLUS_VIEWS[0].px + 2 * MARGIN
    views = tuple(base.views[0][:, :side, i : i + side] for i in range(len(PLUS_VIEWS)))
    return SectionData(base.section, views, base.measured, (MARGIN,) * len(PLUS_VIEWS))


TRAIN = [_section("A1", "A"), _section("A2", "A")]
TEST = _section("B1", "B")


def _fit(**more: object) -> TrainedPlus:
    context = FitContext(CPU, **more)  # type: ignore[arg-type]
    return fit_plus(TrainingSet.of(TRAIN, QUICK), QUICK, context)


@pytest.fixture(scope="module")
def trained() -> TrainedPlus:
    return _fit()


def test_it_learns_what_the_views_show_on_an_unseen_patient(trained: TrainedPlus) -> None:
    measured = TrainingSet.of(TRAIN, QUICK).panel.expression(TEST.measured, QUICK.expression_unit)
    predicted = trained.predict(TEST)
    assert predicted.shape == (TEST.n_spots, N_GENES)
    assert per_gene_pearson(measured, predicted).mean() > 0.8


def test_the_ridge_of_a_block_sees_this_block_in_every_view(trained: TrainedPlus) -> None:
    network = trained.network
    views = [torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in FROZEN]
    with torch.no_grad():
        features = network.encode_frozen(*views)
        first = torch.cat([network.trunk.first_means(view) for view in views], 1)
    *blocks, every = columns_of_blocks()
    torch.testing.assert_close(features[:, blocks[0]], first)
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), every)
    assert len(every) == network.n_frozen


def test_a_moved_network_predicts_the_same(trained: TrainedPlus) -> None:
    before = trained.predict(TEST)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert trained.to(device) is trained
    np.testing.assert_allclose(trained.predict(TEST), before, atol=1e-3)
    trained.to(CPU)


def test_it_is_light(trained: TrainedPlus) -> None:
    assert trained.n_parameters < 10_000_000
    assert len(HISTOSPACE_PLUS.views) == len(PLUS_VIEWS)


def test_a_foreign_tile_scores_as_foreign(trained: TrainedPlus) -> None:
    green = torch.zeros(4, 3, 64, 64)
    green[:, 1] = 1
    with torch.no_grad():
        features = trained.network.pool_views(green, green).numpy()
        own = [torch.from_numpy(TEST.views[i][:, 4:-4, 4:-4]) for i in range(2)]
        known = trained.network.pool_views(*(o.permute(0, 3, 1, 2) / 255 for o in own)).numpy()
    assert trained.domain.score(features).min() == 1
    assert np.median(trained.domain.score(known)) < 0.99


def test_pooling_two_views_is_pooling_all_features(trained: TrainedPlus) -> None:
    views = [torch.rand(3, 3, v.px, v.px) for v in PLUS_VIEWS]
    with torch.no_grad():
        features = trained.network.encode(*views)
        alone = trained.network.pool_views(*views[:2])
        torch.testing.assert_close(trained.network.pool(features), alone)


def test_a_stopped_training_resumes_to_the_same_weights(
    tmp_path: Path, trained: TrainedPlus
) -> None:
    def stop(event: Progress) -> None:
        if event.stage == "tuned branch":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        _fit(work=tmp_path, on_progress=stop)
    assert list(tmp_path.iterdir())
    seen: list[str] = []
    again = _fit(work=tmp_path, on_progress=lambda event: seen.append(event.stage))
    assert seen.count("tuned branch") == QUICK.epochs - 1
    assert not list(tmp_path.iterdir())
    state = trained.network.state_dict()
    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, state[name]), name
