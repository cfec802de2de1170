"""Features on disk: damage is noticed, the size is limited, and a full disk stops nothing."""

import os
from pathlib import Path

import numpy as np
import pytest
from builders.small_disk import needs_root, small_disk

from histospace_core.training.feature_cache import FeatureCache

FEATURES = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)


def test_features_come_back_exactly(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features", 1)
    assert cache.get("one") is None
    cache.put("one", FEATURES)
    found = FeatureCache(tmp_path / "features", 1).get("one")
    assert found is not None
    np.testing.assert_array_equal(found, FEATURES)
    assert (found.dtype, cache.note) == (np.float32, "")


@pytest.mark.parametrize("at", [0, 40, 900, -1])
def test_a_damaged_entry_is_not_returned_and_can_be_replaced(tmp_path: Path, at: int) -> None:
    cache = FeatureCache(tmp_path, 1)
    cache.put("one", FEATURES)
    content = bytearray((tmp_path / "one").read_bytes())
    content[at] ^= 1
    (tmp_path / "one").write_bytes(content)
    assert cache.get("one") is None
    (tmp_path / "one").write_bytes(content[: len(content) // 2])
    assert cache.get("one") is None
    cache.put("one", FEATURES)
    assert cache.get("one") is not None


def test_the_entry_unused_for_longest_makes_room(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 9e-6)  # two entries of 4,160 bytes
    for age, key in ((30, "old"), (20, "older")):
        cache.put(key, FEATURES)
        used = (tmp_path / key).stat().st_mtime - age
        os.utime(tmp_path / key, (used, used))
    assert cache.get("old") is not None, "used again"
    cache.put("new", FEATURES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]


def test_a_limit_of_0_stores_nothing(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features", 0)
    cache.put("one", FEATURES)
    assert not (tmp_path / "features").exists()
    assert cache.note == ""


@needs_root
def test_a_full_disk_is_noted_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path, 1) as disk:
        cache = FeatureCache(disk / "features", 1)
        cache.put("large", np.zeros((600, 1000), np.float32))
        assert cache.note.startswith("features are not kept for later: No space left on device")

        assert not list((disk / "features").iterdir())
        cache.put("small", FEATURES)
        assert cache.get("small") is not None


def test_a_folder_that_cannot_be_made_is_noted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = FeatureCache(tmp_path / "file" / "features", 1)
    cache.put("one", FEATURES)
    assert cache.get("one") is None
    assert "features are not kept for later" in cache.note
