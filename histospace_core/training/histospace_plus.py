"""Train HistoSPACE+: a tuned branch of autoencoders, and a frozen trunk with ridges."""

import math
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histospace_core.networks import Domain
from histospace_core.networks.encoders import OFFLINE_ENCODER, load_encoder
from histospace_core.networks.histospace_plus import (
    FROZEN,
    PLUS_VIEWS,
    HistoSPACEPlus,
    Trunk,
)
from histospace_core.progress import Progress, stage_progress
from histospace_core.training.arithmetic import mixed
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.cohort import SectionData
from histospace_core.training.method import FitContext, FittedNetwork, Method, TrainingSet
from histospace_core.training.programmes import decompose, fit_ridges
from histospace_core.training.recipe import PLUS, PlusRecipe, Recipe
from histospace_core.training.tuned_branch import fit_tuned

_PROFILES = "log10_cp1k_of_section"
"""Unit in which programmes are found; it preserves the depth of a spot, a sign of its cells."""
_BATCH = 128
_STAINED = 4
"""Copies of each training spot, with different stains, from which the domain is learnt."""
_STAIN = 0.25
"""Standard deviation of the gain in optical density of these copies."""
_POSES = [(s, (math.cos(2.4 * s), math.sin(2.4 * s))) for s in range(8)]
"""Eight poses of a tile, each a symmetry with a shift of the centre. Steps of 2.4 rad, the golden
angle, spread the shifts evenly."""


@dataclass(eq=False)
class TrainedPlus(FittedNetwork[HistoSPACEPlus]):
    """A trained HistoSPACE+ with its domain."""

    domain: Domain

    @property
    def arguments(self) -> dict[str, Any]:
        return {"n_genes": self.network.n_genes, "n_programmes": self.network.n_programmes}

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        """Expression of the panel at each spot, (spots, panel)."""
        network = self.network
        device = network.mean_profile.device
        views = [torch.from_numpy(v).to(device) for v in section.views]
        rows = torch.arange(section.n_spots).split(_BATCH)
        parts = [
            network.codes(network.encode(*augmented(views, section.margins, b, Draw.none(len(b)))))
            for b in rows
        ]
        codes = network.smooth(torch.cat(parts).cpu().numpy(), section.centres_um)
        return network.expression(torch.from_numpy(codes).to(device)).cpu().numpy()


def fit_plus(
    train: TrainingSet,
    recipe: Recipe,
    context: FitContext,
) -> TrainedPlus:
    """Train both branches; the held-out sections are never used."""
    if not isinstance(recipe, PlusRecipe):
        raise TypeError(f"HistoSPACE+ needs a PlusRecipe, not {recipe!r}")
    device, on_progress = context.device, context.on_progress
    torch.manual_seed(recipe.seed)
    profiles = [train.panel.expression(s.measured, _PROFILES) for s in train.sections]
    # n centred spots have at most n - 1 components
    parts = decompose(
        np.concatenate(profiles), train.targets, min(recipe.n_programmes, len(train.targets) - 1)
    )
    network = HistoSPACEPlus(len(train.panel), len(parts.programmes))
    network.trunk.load_state_dict(_trunk_weights())
    network.mean_profile.copy_(torch.from_numpy(train.mean_profile))
    network.programmes.copy_(torch.from_numpy(parts.programmes))
    network.to(device)
    network.to(memory_format=torch.channels_last)
    total = recipe.all_epochs + 1
    _fit_frozen(network, train, parts.scores)
    on_progress(Progress(1, total, "frozen branch"))
    fit_tuned(
        network,
        train,
        torch.from_numpy(parts.scores).to(device),
        recipe,
        context.work,
        stage_progress(on_progress, 1, total),
    )
    network.eval()
    return TrainedPlus(network.cpu(), _fit_domain(network, train, recipe.seed))


def _trunk_weights() -> dict[str, Tensor]:
    whole: Any = load_encoder(OFFLINE_ENCODER)
    trunk = Trunk()
    trunk.stem = torch.nn.Sequential(whole.conv_stem, whole.bn1)
    trunk.blocks = whole.blocks
    return trunk.state_dict()


# weak, so that the features are freed with their section
_POSED_FEATURES: WeakKeyDictionary[SectionData, NDArray[np.float32]] = WeakKeyDictionary()


def _fit_frozen(network: HistoSPACEPlus, train: TrainingSet, scores: NDArray[np.float32]) -> None:
    """Fit the ridges in place."""
    features = np.concatenate([_posed_features(network, s) for s in train.sections])
    group = np.repeat(np.arange(len(train.sections)), [s.n_spots for s in train.sections])
    views = np.split(features, len(FROZEN), axis=2)  # each gets its own ridge
    fitted = fit_ridges(views, scores, group)
    network.frozen.centre.copy_(torch.from_numpy(fitted.centre))
    network.frozen.spread.copy_(torch.from_numpy(fitted.spread))
    with torch.no_grad():
        network.frozen.linear.weight.copy_(torch.from_numpy(fitted.weight))
        network.frozen.linear.bias.zero_()  # features and scores have mean 0


@torch.no_grad()
def _fit_domain(network: HistoSPACEPlus, train: TrainingSet, seed: int) -> Domain:
    """Learn the colour and texture of the training tissue, with the stain varied.

    Stains differ more between patients and laboratories than between the few training sections.
    Without the varied copies, the slide of every new patient would be out of domain.
    """
    generator = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    views = [torch.from_numpy(train.view(i)).to(device) for i in range(2)]  # those of `pool_views`
    margins = train.sections[0].margins[:2]
    features = []
    for _ in range(_STAINED):
        for rows in torch.arange(len(train.targets)).split(_BATCH):
            draw = Draw.random(len(rows), generator, _STAIN)
            features.append(network.pool_views(*augmented(views, margins, rows, draw)))
    return Domain.fit(torch.cat(features).cpu().numpy())


@torch.no_grad()
def _posed_features(network: HistoSPACEPlus, section: SectionData) -> NDArray[np.float32]:
    """Return frozen features of the eight poses (spots, 8, f).

    They do not depend on fold or seed, so they are computed once for each section.
    """
    if section not in _POSED_FEATURES:
        device = network.mean_profile.device
        views = [torch.from_numpy(section.views[i]).to(device) for i in FROZEN]
        margins = [section.margins[i] for i in FROZEN]
        precision = mixed(device)
        poses = []
        # the first pose is that of a prediction
        for symmetry, shift in [(0, (0.0, 0.0)), *_POSES[1:]]:
            with precision:
                parts = [
                    network.encode_frozen(
                        *augmented(views, margins, b, Draw.none(len(b), symmetry, shift))
                    )
                    for b in torch.arange(section.n_spots).split(_BATCH)
                ]
            poses.append(torch.cat(parts).float().cpu().numpy())
        _POSED_FEATURES[section] = np.stack(poses, 1)
    return _POSED_FEATURES[section]


HISTOSPACE_PLUS = Method(
    name="histospace-plus",
    source="this project: docs/method.md",
    views=PLUS_VIEWS,
    recipes={"default": PLUS},
    fit=fit_plus,
    margin_um=HistoSPACEPlus.margin_um,
)
