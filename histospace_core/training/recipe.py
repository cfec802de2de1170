"""The settings of a training, as one frozen value that is recorded with its results."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from histospace_core.errors import CohortError
from histospace_core.networks.autoencoder import InputRange


@dataclass(frozen=True)
class Recipe:
    """Settings that every training has.

    Attributes
    ----------
    epochs
        Passes over the training spots; networks that are fitted in closed form have none.
    stain
        Stain normalisation of every section before its views are cut.
    """

    epochs: int = 0
    lr: float = 1e-4
    batch: int = 32
    stain: Literal["none", "vahadane", "macenko", "reinhard"] = "none"
    expression_unit: str = "log10_cp10k"
    seed: int = 0

    @property
    def all_epochs(self) -> int:
        """Epochs of all stages: the length of the progress bar."""
        return self.epochs

    @property
    def panel_from(self) -> Literal["train", "all"]:
        """Which spots the gene filter uses."""
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
                    "leave it out."
                )
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Mends:
    """What we changed in the published training; each can be switched back to measure its effect.

    Attributes
    ----------
    checkpoint
        "last" epoch; "inner": best epoch on an inner split of the training spots; "test" (fault):
        best epoch on the very fold that is reported.
    panel_from
        Genes are filtered on the "train" spots, or (fault) on "all" spots, the held-out included.
    all_spots
        Train on every spot; False (as published) drops spots with more than half of the panel at
        zero: shallow ones, often stroma and fat, without which unseen patients fare worse.
    freeze_batchnorm
        Keep the running statistics of the frozen encoder fixed; False (fault) lets them drift.
    input_range
        "unit" can be rebuilt by the decoder's sigmoid; "symmetric" (fault) cannot.
    """

    checkpoint: Literal["last", "inner", "test"] = "last"
    panel_from: Literal["train", "all"] = "train"
    all_spots: bool = True
    freeze_batchnorm: bool = True
    input_range: InputRange = "unit"


@dataclass(frozen=True)
class Autoencoding(Recipe):
    """Settings of a training that begins with an autoencoder."""

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

    `MENDED` differs from `PUBLISHED` in the mends, and in the autoencoder's learning rate: at
    1e-5, a few hundred steps on a small cohort leave it close to its random start.
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
        Expression programmes that the targets are projected on, which denoises them.
    lr
        Highest learning rate of the cycle (Smith & Topin 2018, arXiv:1708.07120).
    weight_decay, dropout
        Of the tuned branch; dropout acts on its pooled features.
    colour
        Standard deviation of the random gain of each channel's optical density.
    """

    epochs: int = 20
    lr: float = 1e-3
    autoencoder_epochs: int = 5
    n_programmes: int = 12
    weight_decay: float = 1e-2
    dropout: float = 0.3
    colour: float = 0.1


PLUS = PlusRecipe()
MENDED = HistoSPACERecipe()
PUBLISHED = HistoSPACERecipe(
    autoencoder_epochs=150,
    autoencoder_lr=1e-5,
    autoencoder_batch=256,
    stain="vahadane",
    mends=Mends("test", "all", all_spots=False, freeze_batchnorm=False, input_range="symmetric"),
)
