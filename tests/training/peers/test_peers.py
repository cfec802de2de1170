"""Every peer learns what the tile shows, repeats itself, resumes, and leaves the test alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.cohorts import make_section

from histospace_core.errors import Cancelled, CohortError, ModelError
from histospace_core.evaluation import per_gene_pearson
from histospace_core.progress import Progress
from histospace_core.training import Method, Recipe, SectionData, TrainingSet, method_named
from histospace_core.training.method import FitContext
from histospace_core.training.peers.encoder_ridge import EncoderRecipe
from histospace_core.training.peers.histogene import HisToGeneRecipe

CPU = torch.device("cpu")
SMALL = "mobilenetv3_small_050"
QUICK: dict[str, Recipe] = {
    "mean-profile": Recipe(),
    "colour": Recipe(),
    "encoder:efficientnet-lite0": EncoderRecipe(),
    "stnet": method_named("stnet").recipe().with_(epochs=12, lr=1e-5, batch=16),
    "histogene": HisToGeneRecipe(epochs=40, lr=5e-4, width=64, layers=1),
    "bleep": method_named("bleep").recipe().with_(epochs=15, lr=3e-4, batch=12, neighbours=6),
    "triplex": method_named("triplex").recipe().with_(epochs=10, batch=16),
}
SLOW = ("encoder:efficientnet-lite0", "stnet", "bleep", "triplex")
TRAINED = ("stnet", "histogene", "bleep", "triplex")


def _seen_by(method: Method, section: SectionData) -> SectionData:
    """The section with the views that the method asks for: its tile at other sizes."""

    def view(px: int) -> np.ndarray:
        nearest = np.arange(px) * section.views[0].shape[1] // px
        return section.views[0][:, nearest][:, :, nearest]

    views = tuple(view(v.px) for v in method.views)
    return replace(section, views=views, margins=(0,) * len(views))


def _sections(method: Method, n: int = 12) -> list[SectionData]:
    return [_seen_by(method, make_section(name, name[0], n=n)) for name in ("A1", "A2", "B1")]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in QUICK]
)
def test_it_learns_what_the_tile_shows_on_an_unseen_patient(name: str) -> None:
    method, recipe = method_named(name), QUICK[name]
    *train, held = _sections(method)
    training = TrainingSet.of(train, recipe)
    events: list[Progress] = []
    torch.manual_seed(0)
    fitted = method.fit(training, recipe, FitContext(CPU, on_progress=events.append))
    predicted = fitted.predict(held)
    assert predicted.shape == (held.n_spots, len(training.panel))
    assert predicted.dtype == np.float32
    assert all(event.done <= event.total for event in events)
    measured = training.panel.expression(held.measured, training.unit)
    r = per_gene_pearson(measured, predicted).mean()
    assert (r > 0.7) if name != "mean-profile" else (r == 0)
    assert (fitted.n_parameters > 0) == (name != "mean-profile")
    # level as well as pattern
    error = ((predicted - measured) ** 2).mean()
    assert error <= 1.01 * ((training.mean_profile - measured) ** 2).mean()


@pytest.mark.parametrize("name", TRAINED)
def test_a_stopped_training_resumes_to_the_same_prediction(name: str, tmp_path: Path) -> None:
    method = method_named(name)
    recipe = QUICK[name].with_(epochs=11, trunk=None if name == "histogene" else SMALL)
    if name != "histogene":
        recipe = recipe.with_(pretrained=False)
    *train, held = _sections(method, n=6)
    training = TrainingSet.of(train, recipe)

    def fit(work: Path | None, stop_at: int = 99) -> np.ndarray:
        def report(event: Progress) -> None:
            if event.done == stop_at:
                raise Cancelled("stopped")
            seen.append(event.done)

        torch.manual_seed(0)
        seen: list[int] = []
        context = FitContext(CPU, work=work, on_progress=report)
        predicted = method.fit(training, recipe, context).predict(held)
        epochs.append([d for d in seen if d > 0])
        return predicted

    epochs: list[list[int]] = []
    undisturbed = fit(None)
    with pytest.raises(Cancelled):
        fit(tmp_path, stop_at=11)
    assert list(tmp_path.iterdir())
    np.testing.assert_array_equal(fit(tmp_path), undisturbed)
    assert epochs[-1] == [11]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TRAINED)
def test_the_published_recipe_asks_for_weights_and_never_fetches(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HISTOSPACE_DOWNLOAD_WEIGHTS", raising=False)
    method = method_named(name)
    recipe = method.recipe("finetuned" if name == "triplex" else "published")
    if name == "histogene":
        assert recipe == method.recipe()  # needs none
        return
    training = TrainingSet.of(_sections(method, n=4)[:1], recipe)
    with pytest.raises(ModelError, match="not on this machine"):
        method.fit(training, recipe, FitContext(CPU))


def test_any_encoder_is_a_network() -> None:
    method = method_named(f"encoder:{SMALL}")
    recipe = EncoderRecipe(pretrained=False, symmetries=8, penalty="hest")
    *train, held = _sections(method, n=8)
    fitted = method.fit(TrainingSet.of(train, recipe), recipe, FitContext(CPU))
    assert np.isfinite(fitted.predict(held)).all()
    turned = replace(held, views=(np.rot90(held.views[0], axes=(1, 2)).copy(),))
    np.testing.assert_allclose(fitted.predict(turned), fitted.predict(held), atol=1e-3)


@pytest.mark.parametrize("name", ["encoder:", "resnet50"])
def test_an_unknown_network_is_named(name: str) -> None:
    with pytest.raises(CohortError, match=f"Unknown network '{name}'"):
        method_named(name)
