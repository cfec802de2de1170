import math
from pathlib import Path

import pytest

from histospace_core.errors import PixelSizeError
from histospace_core.slides.properties import check_mpp, resolve_mpp

SLIDE = Path("a.svs")


@pytest.mark.parametrize("mpp", [0, -0.5, math.nan, math.inf, -math.inf, 0.049, 4.1, 352.8, "x"])
def test_what_is_no_pixel_size(mpp: float) -> None:
    with pytest.raises(PixelSizeError, match=r"a\.svs.*not a pixel size"):
        check_mpp(mpp, Path("a.svs"))


@pytest.mark.parametrize("mpp", [0.05, 0.25, 0.69, 4])
def test_what_is_one(mpp: float) -> None:
    assert check_mpp(mpp, Path("a.svs")) == mpp


def test_the_files_wins_and_is_recorded() -> None:
    assert resolve_mpp(SLIDE, (0.499, 0.501), 0.51) == (0.5, "file", None)
    assert resolve_mpp(SLIDE, None, 0.5) == (0.5, "user", None)
    assert resolve_mpp(SLIDE, None, None) == (None, None, None)
    assert resolve_mpp(SLIDE, (352.8, 352.8), None) == (None, None, 352.8)
    assert resolve_mpp(SLIDE, (352.8, 352.8), 0.5) == (0.5, "user", 352.8)


@pytest.mark.parametrize("stated", [(0.0, 0.0), (math.nan, 0.5), (-1.0, -1.0)])
def test_nonsense_in_the_file_is_not_used(stated: tuple[float, float]) -> None:
    assert resolve_mpp(SLIDE, stated, None)[0] is None


def test_contradictions() -> None:
    with pytest.raises(PixelSizeError, match="but you gave"):
        resolve_mpp(SLIDE, (0.5, 0.5), 0.69)
    with pytest.raises(PixelSizeError, match="not square"):
        resolve_mpp(SLIDE, (0.5, 0.25), 0.5)
