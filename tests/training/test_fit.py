"""Training learns, repeats itself, resumes, and its mends do what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.cohorts import make_section

from histospace_core.errors import Cancelled, CohortError
from histospace_core.evaluation import per_gene_pearson
from histospace_core.progress import Progress
from histospace_core.training import (
    MENDED,
    HistoSPACERecipe,
    Mends,
    SectionData,
    Trained,
    TrainingSet,
    fit_histospace,
)
from histospace_core.training.fit import predict_tiles
from histospace_core.training.method import FitContext

CPU = torch.device("cpu")
QUICK = MENDED.with_(autoencoder_epochs=2, autoencoder_batch=16, epochs=12, batch=16)
TRAIN = [make_section("A1", "A"), make_section("A2", "A")]
TEST = make_section("B1", "B")


def _fit(
    sections: list[SectionData], recipe: HistoSPACERecipe, device: torch.device, **more: object
) -> Trained:
    train = TrainingSet.of(sections, recipe)
    return fit_histospace(train, recipe, FitContext(device, **more))  # type: ignore[arg-type]


def _weights(recipe: HistoSPACERecipe, **more: object) -> dict[str, torch.Tensor]:
    return _fit(TRAIN, recipe, CPU, **more).network.state_dict()


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, torch.Tensor]:
    return _weights(QUICK)


def test_it_learns_what_the_tile_shows_on_an_unseen_patient() -> None:
    more = [make_section("A1", "A", n=24), make_section("A2", "A", n=24)]
    trained = _fit(more, QUICK, CPU)
    predicted = predict_tiles(trained.network, torch.from_numpy(TEST.tiles)).numpy()
    panel = TrainingSet.of(more, QUICK).panel
    measured = panel.expression(TEST.measured, QUICK.expression_unit)
    assert per_gene_pearson(measured, predicted).mean() > 0.8
    assert trained.n_spots == 48


def test_the_same_seed_gives_the_same_weights(undisturbed: dict[str, torch.Tensor]) -> None:
    assert _equal(_weights(QUICK), undisturbed)
    assert not _equal(_weights(QUICK.with_(seed=1)), undisturbed)


@pytest.mark.parametrize("stop_at", [("autoencoder", 1), ("predictor", 13)])
def test_a_stopped_training_resumes_to_the_same_weights(
    tmp_path: Path, undisturbed: dict[str, torch.Tensor], stop_at: tuple[str, int]
) -> None:
    seen: list[tuple[str, int]] = []

    def record(event: Progress) -> None:
        seen.append((event.stage, event.done))

    def stop(event: Progress) -> None:
        record(event)
        if seen[-1] == stop_at:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        _fit(TRAIN, QUICK, CPU, work=tmp_path, on_progress=stop)
    seen.clear()
    again = _weights(QUICK, work=tmp_path, on_progress=record)
    assert ("autoencoder", 1) not in seen
    assert _equal(again, undisturbed)
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_checkpoint_of_another_recipe_is_ignored(
    tmp_path: Path, undisturbed: dict[str, torch.Tensor]
) -> None:
    def stop(event: Progress) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        _fit(TRAIN, QUICK.with_(seed=5), CPU, work=tmp_path, on_progress=stop)
    assert _equal(_weights(QUICK, work=tmp_path), undisturbed)


def test_frozen_batch_statistics_do_not_drift_unless_the_fault_is_switched_on() -> None:
    def encoder_statistics(frozen: bool) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = QUICK.with_(mends=Mends(freeze_batchnorm=frozen))
        short, long = (_weights(recipe.with_(epochs=n)) for n in (1, 3))
        return short["encoder.1.running_mean"], long["encoder.1.running_mean"]

    assert torch.equal(*encoder_statistics(frozen=True))
    assert not torch.equal(*encoder_statistics(frozen=False))


def test_the_encoder_is_that_of_the_autoencoder_and_stays_so() -> None:
    one, many = _weights(QUICK.with_(epochs=1)), _weights(QUICK.with_(epochs=3))
    assert torch.equal(one["encoder.0.weight"], many["encoder.0.weight"])
    assert not torch.equal(one["head.0.weight"], many["head.0.weight"])


def test_the_test_section_is_never_looked_at_without_the_fault(
    undisturbed: dict[str, torch.Tensor],
) -> None:
    assert _equal(_weights(QUICK, test=[TEST]), undisturbed)
    leaky = QUICK.with_(mends=Mends(checkpoint="test"))
    with pytest.raises(CohortError, match="Fewer than two training spots"):
        _weights(leaky)  # it needs the held-out section: that is the fault


def test_inner_split_chooses_an_epoch_on_training_spots() -> None:
    trained = _fit(TRAIN, QUICK.with_(mends=Mends(checkpoint="inner")), CPU)
    assert 1 <= trained.best_epoch <= QUICK.epochs


def test_a_moved_network_predicts_the_same() -> None:
    trained = _fit(TRAIN, QUICK, CPU)
    before = trained.predict(TEST)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert trained.to(device) is trained
    np.testing.assert_allclose(trained.predict(TEST), before, atol=1e-3)


def test_mean_profile_is_that_of_the_training_spots() -> None:
    trained = _fit(TRAIN, QUICK.with_(autoencoder_epochs=0, epochs=0), CPU)
    panel = TrainingSet.of(TRAIN, QUICK).panel
    values = [panel.expression(s.measured, QUICK.expression_unit) for s in TRAIN]
    np.testing.assert_allclose(
        trained.network.mean_profile.numpy(), np.concatenate(values).mean(0), atol=1e-6
    )
