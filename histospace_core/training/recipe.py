"""Recipes: the settings of a training, recorded with its results."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from histospace_core.errors import CohortError
from histospace_core.networks.autoencoder import InputRange
from histospace_core.networks.trunk_record import TrunkRecord


@dataclass(frozen=True)
class Recipe:
    """Settings of every training.

    Attributes
    ----------
    epochs
        Passes over the training spots; 0 for networks fitted in closed form.
    stain
        Stain normalisation of every section, applied to its views.
    """

    epochs: int = 0
    lr: float = 1e-4  # rate, batch and unit as published
    batch: int = 32
    stain: Literal["none", "vahadane", "macenko", "reinhard"] = "none"
    expression_unit: str = "log10_cp10k"
    seed: int = 0

    @property
    def all_epochs(self) -> int:
        """Epochs of all stages, the total of the progress bar."""
        return self.epochs

    @property
    def panel_from(self) -> Literal["train", "all"]:
        """Spots that the gene filter uses."""
        return "train"

    def with_(self, **changes: Any) -> Self:
        """Return a copy with some settings changed; None means unchanged.

        Raises
        ------
        CohortError
            This network's training has no such setting.
        """
        changes = {k: v for k, v in changes.items() if v is not None}
        for name in changes:
            if not hasattr(self, name):
                raise CohortError(
                    f"The training of this network has no setting '{name.replace('_', '-')}'; "
                    "remove it."
                )
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Mends:
    """Corrections of the published training; each can be undone to measure its effect.

    Attributes
    ----------
    checkpoint
        "last": last epoch; "inner": best epoch on an inner split of the training spots; "test"
        (fault): best epoch on the held-out sections whose score is reported.
    panel_from
        Filter genes on the "train" spots, or (fault) on "all" spots, including held-out ones.
    all_spots
        Train on every spot. False (as published) drops spots with more than half of the panel at
        zero, often stroma and fat; without these, scores on new patients are lower.
    freeze_batchnorm
        Keep the running statistics of the frozen encoder fixed; False (fault) lets them drift.
    input_range
        The decoder's sigmoid can reconstruct "unit", but not "symmetric" (fault).
    """

    checkpoint: Literal["last", "inner", "test"] = "last"
    panel_from: Literal["train", "all"] = "train"
    all_spots: bool = True
    freeze_batchnorm: bool = True
    input_range: InputRange = "unit"


@dataclass(frozen=True)
class Autoencoding(Recipe):
    """Settings of a training that starts with an autoencoder."""

    autoencoder_epochs: int = 10
    autoencoder_lr: float = 1e-3
    autoencoder_batch: int = 64

    @property
    def all_epochs(self) -> int:
        return self.autoencoder_epochs + self.epochs

    @property
    def input_range(self) -> InputRange:
        """Range of the encoder's input pixels."""
        return "unit"


@dataclass(frozen=True)
class HistoSPACERecipe(Autoencoding):
    """Settings of the published network's two trainings.

    `MENDED` differs from `PUBLISHED` in the mends, the stain normalisation and the autoencoder's
    settings: at a rate of 1e-5, a few hundred steps on a small cohort hardly change its weights.
    """

    epochs: int = 50
    mends: Mends = Mends()

    @property
    def input_range(self) -> InputRange:
        return self.mends.input_range

    @property
    def panel_from(self) -> Literal["train", "all"]:
        return self.mends.panel_from


@dataclass(frozen=True)
class PlusRecipe(Autoencoding):
    """Settings of HistoSPACE+.

    Attributes
    ----------
    n_programmes
        Number of programmes that the expression is projected on, which removes noise.
    lr
        Highest learning rate of the cycle (Smith & Topin 2018, arXiv:1708.07120).
    weight_decay, dropout
        Regularisation of the tuned branch; dropout acts on its pooled features.
    colour
        Standard deviation of the random gain of each channel's optical density.
    trunk
        Encoder of the frozen branch; None for EfficientNet-lite0. `with_trunk` finds it.
    """

    epochs: int = 20
    lr: float = 1e-3
    autoencoder_epochs: int = 5
    n_programmes: int = 12
    weight_decay: float = 1e-2
    dropout: float = 0.3
    colour: float = 0.1
    trunk: TrunkRecord | None = None

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in super().to_dict().items() if k != "trunk" or v is not None}


PLUS = PlusRecipe()
MENDED = HistoSPACERecipe()
PUBLISHED = HistoSPACERecipe(
    autoencoder_epochs=150,
    autoencoder_lr=1e-5,
    autoencoder_batch=256,
    stain="vahadane",
    mends=Mends("test", "all", all_spots=False, freeze_batchnorm=False, input_range="symmetric"),
)
