import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from benchmarks.colour_profile import wide_gamut_profile
from histospace_core.slides.colour import conversion_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.fixture
def shades() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def adobe_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """The definitions of both colour spaces: Adobe RGB (1998) and IEC 61966-2-1."""
    linear = (pixels / 255) ** (563 / 256)
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    from_xyz = [
        [3.24045, -1.53714, -0.49853],
        [-0.96927, 1.87601, 0.04156],
        [0.05564, -0.20403, 1.05723],
    ]
    light = np.clip(linear @ np.array(to_xyz).T @ np.array(from_xyz).T, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return 255 * curve


def test_a_wide_profile_by_its_definition(shades: Image.Image) -> None:
    conversion = conversion_of(wide_gamut_profile())
    assert (conversion.name, conversion.note) == ("Wide gamut", "")
    found = np.asarray(conversion.apply(shades)).astype(float)
    stored = np.asarray(shades)
    expected = adobe_to_srgb(stored.astype(float))
    light = (expected > 20).all(-1)  # dark shades magnify rounding
    assert np.abs(found - expected)[light].max() < 2
    assert np.abs(found - stored)[light].mean() > 5


def test_as_pillow_converts_with_the_intent_of_the_profile(shades: Image.Image) -> None:
    profile = wide_gamut_profile()
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
    expected = ImageCms.profileToProfile(shades, source, ImageCms.createProfile("sRGB"), intent)
    assert expected is not None
    assert conversion_of(profile).apply(shades).tobytes() == expected.tobytes()


def test_srgb_is_named_and_changes_nothing(shades: Image.Image) -> None:
    conversion = conversion_of(SRGB)
    assert conversion.name == "sRGB built-in"
    assert conversion.apply(shades) is shades


def test_no_profile(shades: Image.Image) -> None:
    conversion = conversion_of(None)
    assert (conversion.name, conversion.note) == ("", "")
    assert conversion.apply(shades) is shades


def test_a_profile_that_is_not_wanted(shades: Image.Image) -> None:
    conversion = conversion_of(wide_gamut_profile(), wanted=False)
    assert conversion.name == ""
    assert "its colour profile (Wide gamut) is not used" in conversion.note
    assert conversion.apply(shades) is shades


@pytest.mark.parametrize(
    "profile",
    [b"", b"x" * 200, wide_gamut_profile()[:150], LAB],
    ids=["empty", "noise", "cut", "not RGB"],
)
def test_a_profile_that_cannot_be_used(profile: bytes, shades: Image.Image) -> None:
    conversion = conversion_of(profile)
    assert "its colour profile cannot be used" in conversion.note
    assert conversion.name == ""
    assert conversion.apply(shades) is shades


def test_threads_share_a_conversion(shades: Image.Image) -> None:
    conversion = conversion_of(wide_gamut_profile())
    expected = conversion.apply(shades).tobytes()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: conversion.apply(shades).tobytes(), range(40)))
    assert set(found) == {expected}
