"""What a training does, in one frozen, recorded value."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from histospace_core.networks.autoencoder import InputRange

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done); may raise `Cancelled`."""


def no_progress(done: int, total: int, message: str) -> None:
    """Report nothing."""


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
class Recipe:
    """Settings of the published network's two trainings.

    `MENDED` differs from `PUBLISHED` in the mends, and in the autoencoder's learning rate: at
    1e-5, a few hundred steps on a small cohort leave it close to its random start.
    """

    autoencoder_epochs: int = 10
    autoencoder_lr: float = 1e-3
    autoencoder_batch: int = 64
    epochs: int = 50
    lr: float = 1e-4
    batch: int = 32
    stain: Literal["none", "vahadane", "macenko", "reinhard"] = "none"
    expression_unit: str = "log10_cp10k"
    seed: int = 0
    mends: Mends = Mends()

    @property
    def all_epochs(self) -> int:
        """Epochs of both stages: the length of the progress bar."""
        return self.autoencoder_epochs + self.epochs

    def with_(self, **changes: Any) -> "Recipe":
        """Return a copy with some settings changed; None means unchanged."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


MENDED = Recipe()
PUBLISHED = Recipe(
    autoencoder_epochs=150,
    autoencoder_lr=1e-5,
    autoencoder_batch=256,
    stain="vahadane",
    mends=Mends("test", "all", all_spots=False, freeze_batchnorm=False, input_range="symmetric"),
)
RECIPES = {"mended": MENDED, "published": PUBLISHED}
