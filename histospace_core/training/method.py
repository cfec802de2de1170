"""The interface of a network: its views of the tissue, its training and its prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histospace_core.errors import CohortError
from histospace_core.networks import Domain, n_parameters
from histospace_core.progress import OnProgress, no_progress
from histospace_core.slides.view import View
from histospace_core.training.cohort import Section, SectionData, load_sections
from histospace_core.training.panel import Panel, select_panel
from histospace_core.training.recipe import Recipe

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The training sections of a fold and the panel chosen on them."""

    sections: tuple[SectionData, ...]
    panel: Panel
    unit: str

    @classmethod
    def of(
        cls, sections: Sequence[SectionData], recipe: Recipe, leak: Sequence[SectionData] = ()
    ) -> "TrainingSet":
        """Choose the panel on `sections`, and on `leak` too if the recipe has that fault."""
        used = [*sections, *leak] if recipe.panel_from == "all" else sections
        panel = select_panel([s.measured for s in used])
        return cls(tuple(sections), panel, recipe.expression_unit)

    @cached_property  # works although frozen: it writes to `__dict__`
    def expression(self) -> tuple[NDArray[np.float32], ...]:
        """Normalised expression of each section, (spots, panel)."""
        return tuple(self.panel.expression(s.measured, self.unit) for s in self.sections)

    @cached_property
    def targets(self) -> NDArray[np.float32]:
        """Normalised expression of all spots, section after section, (n, panel)."""
        return np.concatenate(self.expression)

    @cached_property
    def mean_profile(self) -> NDArray[np.float32]:
        """Mean over all training spots, (panel,): the baseline that uses no image."""
        mean: NDArray[np.float32] = self.targets.mean(0)
        return mean

    def view(self, i: int) -> NDArray[np.uint8]:
        """Return view `i` of all spots, with its margin, section after section."""
        return np.concatenate([s.views[i] for s in self.sections])


class Fitted(Protocol):
    """A trained network, ready to predict."""

    @property
    def n_parameters(self) -> int: ...

    def predict(self, section: SectionData) -> NDArray[np.float32]:
        """Predict the expression of the panel at each spot of a section, (spots, panel)."""
        ...


@dataclass(eq=False)
class FittedNetwork(Generic[N]):
    """A trained network that can be moved to a device; it returns predictions on the CPU."""

    network: N

    @property
    def n_parameters(self) -> int:
        return n_parameters(self.network)

    def to(self, device: torch.device) -> Self:
        """Move the network to a device."""
        self.network.to(device)
        return self


@runtime_checkable
class Packable(Fitted, Protocol):
    """A trained network that can become a model package.

    Attributes
    ----------
    network
        With `mean_profile`, `encode`, `pool` and `decode`, see `HistoSPACE`.
    """

    @property
    def network(self) -> nn.Module: ...

    @property
    def domain(self) -> Domain: ...

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that rebuild the network."""
        ...

    def domain_scores(self, section: SectionData) -> NDArray[np.float32]:
        """Return the domain score of each spot of a section, (spots,)."""
        ...


@dataclass(frozen=True)
class FitContext:
    """Where a network is trained, and what it may use besides its training set.

    Attributes
    ----------
    device
    test
        Held-out sections. Only a recipe with a stated fault uses them.
    work
        Folder for checkpoints; None saves none.
    on_progress
    start
        Trained network whose encoders training continues from; None starts anew.
    """

    device: torch.device
    test: Sequence[SectionData] = ()
    work: Path | None = None
    on_progress: OnProgress = no_progress
    start: nn.Module | None = None


Fit = Callable[[TrainingSet, Recipe, FitContext], Fitted]
"""Train on the training sections of a fold."""


@dataclass(frozen=True)
class Method:
    """A network that can be trained: its views, its recipes and its training function.

    Attributes
    ----------
    name
        Name on the command line.
    source
        Paper or protocol that it follows.
    views
        Views of the tissue around a spot.
    recipes
        Named settings, the default first.
    margin_um
        Largest shift of a centre in training, um.
    dense
        Whether the network predicts from patches that spots share.
    """

    name: str
    source: str
    views: tuple[View, ...]
    recipes: Mapping[str, Recipe]
    fit: Fit
    margin_um: float = 0.0
    dense: bool = False

    def load(self, sections: Sequence[Section], stain: str = "none") -> dict[str, SectionData]:
        """Load the views that this method needs, and the counts; return the sections by name."""
        return load_sections(
            sections, self.views, margin_um=self.margin_um, stain=stain, dense=self.dense
        )

    def recipe(self, name: str | None = None) -> Recipe:
        """Return the recipe of this name, or the default one.

        Raises
        ------
        CohortError
            The method has no such recipe.
        """
        if name is None:
            return next(iter(self.recipes.values()))
        if name not in self.recipes:
            raise CohortError(
                f"'{self.name}' has no recipe '{name}'; choose {', '.join(self.recipes)}."
            )
        return self.recipes[name]
