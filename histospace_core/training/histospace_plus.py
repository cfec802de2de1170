"""Train HistoSPACE+: a tuned branch of autoencoders, and a frozen trunk with ridges."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histospace_core.networks import Domain, to_pixels
from histospace_core.networks.dense import TEXTURED, DenseEncoder
from histospace_core.networks.encoders import OFFLINE_ENCODER, load_encoder
from histospace_core.networks.foreign_trunk import ForeignTrunk
from histospace_core.networks.forms import plain_form
from histospace_core.networks.histospace_plus import FROZEN, PLUS_VIEWS, HistoSPACEPlus
from histospace_core.networks.lite0_trunk import TRUNK_CHANNELS, Trunk
from histospace_core.progress import OnProgress, Progress, stage_progress
from histospace_core.training.arithmetic import mixed
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.cohort import SectionData, without_margin
from histospace_core.training.foreign_features import Pose, foreign_features
from histospace_core.training.method import FitContext, FittedNetwork, Method, TrainingSet
from histospace_core.training.programmes import Part, decompose, fit_ridges
from histospace_core.training.recipe import PLUS, PlusRecipe, Recipe
from histospace_core.training.tuned_branch import fit_tuned

_PROFILES = "log10_cp1k_of_section"
"""Unit in which programmes are found; it preserves the depth of a spot, a sign of its cells."""
_BATCH = 128
_STAINED = 4
"""Copies of each training spot, with different stains, from which the domain is learnt."""
_STAIN = 0.25
"""Standard deviation of the gain in optical density of these copies."""
POSES: list[Pose] = [
    (0, (0.0, 0.0)),
    *((s, (math.cos(2.4 * s), math.sin(2.4 * s))) for s in range(1, 8)),
]
"""Eight poses of a tile, each a symmetry with a shift of the centre; the first is that of a
prediction. Steps of 2.4 rad, the golden angle, spread the shifts evenly."""


@dataclass(eq=False)
class TrainedPlus(FittedNetwork[HistoSPACEPlus]):
    """A trained HistoSPACE+ with its domain."""

    domain: Domain

    @property
    def arguments(self) -> dict[str, Any]:
        network, trunk = self.network, self.network.foreign
        sizes = {"n_genes": network.n_genes, "n_programmes": network.n_programmes}
        return sizes | ({"trunk": asdict(trunk)} if trunk else {})

    @torch.no_grad()
    def predict(self, section: SectionData) -> NDArray[np.float32]:
        """Expression of the panel at each spot, (spots, panel)."""
        codes, _ = self._encode(section)
        codes = self.network.smooth(codes, section.centres_um)
        device = self.network.mean_profile.device
        return self.network.expression(torch.from_numpy(codes).to(device)).cpu().numpy()

    @torch.no_grad()
    def domain_scores(self, section: SectionData) -> NDArray[np.float32]:
        """Domain score of each spot, (spots,)."""
        if section.groups and not self.network.foreign:
            _, pooled = self._encode(section, TEXTURED)
        else:
            tiles = self._tiles(section)[: len(TEXTURED)]
            pooled = self._in_batches(section, lambda rows: (self._pooled(tiles, rows),))[0]
        return self.domain.score(pooled)

    def _encode(
        self, section: SectionData, views: Sequence[int] = FROZEN
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return codes (spots, k) and features of the domain score, as a prediction has them.

        Codes need all views, the domain score those of `TEXTURED`.
        """
        device = self.network.mean_profile.device
        encoder = plain_form(self.network)
        if isinstance(encoder, DenseEncoder) and section.groups:
            parts = [
                (g.rows, *encoder.windows([g.windows[i] for i in views], device, _BATCH))
                for g in section.groups
            ]
            rows, codes, pooled = (np.concatenate(part) for part in zip(*parts, strict=True))
            order = np.argsort(rows)
            return codes[order], pooled[order]
        tiles = self._tiles(section)
        codes, pooled = self._in_batches(section, lambda rows: encoder(*(t[rows] for t in tiles)))
        return codes, pooled

    def _tiles(self, section: SectionData) -> list[Tensor]:
        """Return the views of all spots, without their margins."""
        device = self.network.mean_profile.device
        return [
            torch.from_numpy(without_margin(view, margin)).to(device)
            for view, margin in zip(section.views, section.margins, strict=True)
        ]

    def _pooled(self, tiles: Sequence[Tensor], rows: Tensor) -> Tensor:
        return self.network.pool_views(*(to_pixels(view[rows]) for view in tiles))

    @staticmethod
    def _in_batches(
        section: SectionData, encode: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> list[NDArray[np.float32]]:
        parts = [encode(rows) for rows in torch.arange(section.n_spots).split(_BATCH)]
        return [torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True)]


def fit_plus(
    train: TrainingSet,
    recipe: Recipe,
    context: FitContext,
) -> TrainedPlus:
    """Train both branches; the held-out sections are never used.

    With `context.start`, a HistoSPACE+, its tuned encoders take the place of the autoencoders'.
    """
    if not isinstance(recipe, PlusRecipe):
        raise TypeError(f"HistoSPACE+ needs a PlusRecipe, not {recipe!r}")
    start = context.start
    if not isinstance(start, HistoSPACEPlus | None):
        raise TypeError(f"HistoSPACE+ cannot start from {type(start).__name__}")
    device, on_progress = context.device, context.on_progress
    torch.manual_seed(recipe.seed)
    profiles = [train.panel.expression(s.measured, _PROFILES) for s in train.sections]
    # n centred spots have at most n - 1 components
    parts = decompose(
        np.concatenate(profiles), train.targets, min(recipe.n_programmes, len(train.targets) - 1)
    )
    trunk = None if recipe.trunk is None else asdict(recipe.trunk)
    network = HistoSPACEPlus(len(train.panel), len(parts.programmes), trunk)
    load_lite0(network.trunk)
    network.mean_profile.copy_(torch.from_numpy(train.mean_profile))
    network.programmes.copy_(torch.from_numpy(parts.programmes))
    network.to(device)
    network.to(memory_format=torch.channels_last)
    total = recipe.all_epochs + 1
    _fit_frozen(network, train, parts.scores, stage_progress(on_progress, 0, total))
    on_progress(Progress(1, total, "frozen branch"))
    fit_tuned(
        network,
        train,
        torch.from_numpy(parts.scores).to(device),
        recipe,
        context.work,
        stage_progress(on_progress, 1, total),
        start.encoders if start else None,
    )
    network.eval()
    return TrainedPlus(network.cpu(), _fit_domain(network, train, recipe.seed))


def load_lite0(trunk: Trunk | ForeignTrunk) -> None:
    """Load EfficientNet-lite0 into the trunk, or its first blocks into the domain score's."""
    whole: Any = load_encoder(OFFLINE_ENCODER)
    own = trunk.texture if isinstance(trunk, ForeignTrunk) else trunk
    own.stem.load_state_dict(torch.nn.Sequential(whole.conv_stem, whole.bn1).state_dict())
    own.blocks.load_state_dict(whole.blocks[: len(own.blocks)].state_dict())


# weak, so that the features are freed with their section
_POSED_FEATURES: WeakKeyDictionary[SectionData, NDArray[np.float32]] = WeakKeyDictionary()


def _fit_frozen(
    network: HistoSPACEPlus,
    train: TrainingSet,
    scores: NDArray[np.float32],
    on_progress: OnProgress,
) -> None:
    """Fit the ridges in place."""
    group = np.repeat(np.arange(len(train.sections)), [s.n_spots for s in train.sections])
    parts: Iterable[Part]
    if isinstance(network.trunk, ForeignTrunk):  # one for each view
        views = foreign_features(network.trunk, train.sections, POSES, on_progress)
        parts = zip(np.split(np.arange(network.n_frozen), len(FROZEN)), views, strict=True)
    else:
        features = np.concatenate([_posed_features(network, s) for s in train.sections])
        parts = ((columns, features[:, :, columns]) for columns in columns_of_blocks())
    fitted = fit_ridges(parts, network.n_frozen, scores, group)
    network.frozen.centre.copy_(torch.from_numpy(fitted.centre))
    network.frozen.spread.copy_(torch.from_numpy(fitted.spread))
    with torch.no_grad():
        network.frozen.linear.weight.copy_(torch.from_numpy(fitted.weight))
        network.frozen.linear.bias.zero_()  # features and scores have mean 0


def columns_of_blocks() -> list[NDArray[np.intp]]:
    """Return the columns of each block of lite0 in the frozen features, and those of all blocks.

    One regression per block, which sees it in all views, and one on everything transfer better to
    another patient than one per view (docs/experiments.md).
    """
    every = np.arange(len(FROZEN) * sum(TRUNK_CHANNELS))
    blocks = np.split(every.reshape(len(FROZEN), -1), np.cumsum(TRUNK_CHANNELS)[:-1], axis=1)
    return [*(block.ravel() for block in blocks), every]


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


def share_features(
    network: HistoSPACEPlus, whole: SectionData, part: SectionData, rows: NDArray[np.intp]
) -> None:
    """Let a part of a section, its spots `rows`, use the whole's features of EfficientNet-lite0."""
    _POSED_FEATURES[part] = _posed_features(network, whole)[rows]


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
        for symmetry, shift in POSES:
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
    dense=True,
)
