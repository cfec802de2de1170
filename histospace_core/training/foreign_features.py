"""Features of training spots from a trunk that is too slow to run once for every fold."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from histospace_core import __version__
from histospace_core.errors import CohortError, ModelError
from histospace_core.networks.encoders import OFFLINE_ENCODER
from histospace_core.networks.foreign_trunk import ForeignTrunk
from histospace_core.networks.histospace_plus import FROZEN
from histospace_core.networks.memory import is_out_of_memory, release_memory
from histospace_core.networks.trunks import install_trunk
from histospace_core.progress import OnProgress, Progress
from histospace_core.settings import get_settings
from histospace_core.training.arithmetic import arithmetic, mixed
from histospace_core.training.augment import Draw, augmented
from histospace_core.training.cohort import SectionData
from histospace_core.training.feature_cache import FeatureCache
from histospace_core.training.parallel import processes
from histospace_core.training.recipe import PlusRecipe, Recipe

Pose = tuple[int, tuple[float, float]]
"""Symmetry and shift of a tile, see `Draw`."""
_BATCH = {"cpu": 16, "cuda": 128}


def with_trunk(recipe: Recipe, name: str, licence: str = "") -> PlusRecipe:
    """Return the recipe with another trunk, which is installed in the store if it is not there.

    Parameters
    ----------
    name, licence
        See `install_trunk`.

    Raises
    ------
    CohortError
        The recipe is not that of HistoSPACE+.
    ModelError, StoreError
        See `install_trunk`.
    """
    if not isinstance(recipe, PlusRecipe):
        raise CohortError(
            "Only the network histospace-plus can have another trunk; add --network "
            "histospace-plus, or leave out --trunk."
        )
    if name == OFFLINE_ENCODER:
        return recipe
    return recipe.with_(trunk=processes().from_first(lambda: install_trunk(name, licence)))


def foreign_features(
    trunk: ForeignTrunk,
    sections: Sequence[SectionData],
    poses: Sequence[Pose],
    on_progress: OnProgress,
) -> Iterator[NDArray[np.float32]]:
    """Yield the trunk's features of each view of `FROZEN`, (spots, poses, f), one view at a time.

    The features of each section, view and pose are an entry of a cache on disk, whose key is the
    SHA-256 of the pixels, the trunk, the pose, the arithmetic and the versions of the code. So one
    view of a cohort is in memory at a time, and an interrupted training loses at most one entry.

    Raises
    ------
    ModelError
        Memory is too small for a single tile.
    """
    settings = get_settings()
    cache = FeatureCache(settings.features_dir, settings.features_gb)
    encode = _Encoding(trunk)
    total, done = len(FROZEN) * len(poses) * sum(s.n_spots for s in sections), 0

    def report(n: int) -> None:
        nonlocal done
        done += n
        notes = ", ".join(filter(None, [f"{done:,} of {total:,} tiles", encode.note, cache.note]))
        on_progress(Progress(0, 1, f"trunk {trunk.record.name}", note=notes))

    for i in FROZEN:
        parts = []
        for section in sections:
            pixels = _digest(section.views[i], section.margins[i])
            each = []
            for pose in poses:
                key = _key(trunk, pixels, pose, encode.arithmetic)
                features = cache.get(key)
                if features is None:
                    features = encode(section.views[i], section.margins[i], pose, report)
                    cache.put(key, features)
                else:
                    report(section.n_spots)
                each.append(features)
            parts.append(np.stack(each, 1))
        yield np.concatenate(parts)


class _Encoding:
    """Runs a trunk on tiles; batches are halved when memory runs out, as in a prediction."""

    def __init__(self, trunk: ForeignTrunk) -> None:
        self._trunk = trunk
        self._device = trunk.mean.device
        self._precision = mixed(self._device)
        self.arithmetic = arithmetic(self._device)
        self.batch = self._usual = _BATCH[self._device.type]

    @property
    def note(self) -> str:
        """Note for the progress; empty unless a batch did not fit in memory."""
        short = self.batch < self._usual
        return f"memory is short: {self.batch} tiles at a time" if short else ""

    @torch.no_grad()
    def __call__(
        self, view: NDArray[np.uint8], margin: int, pose: Pose, report: Callable[[int], None]
    ) -> NDArray[np.float32]:
        """Return the features (n, f) of one pose of a view (n, px + 2 margin, ..., 3)."""
        parts: list[NDArray[np.float32]] = []
        start = 0
        while start < len(view):
            tiles = view[start : start + self.batch]
            try:
                parts.append(self._features(tiles, margin, pose))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(error)
                continue
            start += len(tiles)
            report(len(tiles))
        return np.concatenate(parts)

    def _features(self, tiles: NDArray[np.uint8], margin: int, pose: Pose) -> NDArray[np.float32]:
        n = len(tiles)
        pixels = augmented(
            [torch.from_numpy(tiles).to(self._device)],
            [margin],
            torch.arange(n),
            Draw.none(n, *pose),
        )[0]
        with self._precision:
            features: NDArray[np.float32] = self._trunk(pixels).float().cpu().numpy()
        return features

    def _shrink(self, error: BaseException) -> None:
        if self.batch == 1:
            raise ModelError(
                f"There is not enough memory to run the trunk '{self._trunk.record.name}' on even "
                "one tile; close other programs, or choose a smaller trunk."
            ) from error
        self.batch //= 2
        release_memory()


def _digest(view: NDArray[np.uint8], margin: int) -> str:
    digest = hashlib.sha256(f"{view.shape} {margin}".encode())
    digest.update(np.ascontiguousarray(view).data)
    return digest.hexdigest()


def _key(trunk: ForeignTrunk, pixels: str, pose: Pose, arithmetic: str) -> str:
    record = asdict(trunk.record)
    # they name the trunk and do not change its features
    facts = {k: v for k, v in record.items() if k not in ("name", "source", "licence")}
    versions = [__version__, version("timm")]  # another one may compute otherwise
    text = json.dumps([facts, pixels, pose, arithmetic, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
