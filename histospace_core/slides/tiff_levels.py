"""Which pages of a TIFF are smaller copies of an image: the levels of its pyramid."""

from collections import Counter
from typing import Any

REDUCED = 1  # bit of the tag NewSubfileType
_PADDING = 0.01  # share by which levels that are padded to whole tiles may be wider or higher
_ROUNDING = 2  # px

Size = tuple[int, int]


def size_of(page: Any) -> Size:
    """Return width and height of a page, px."""
    return page.imagewidth, page.imagelength


def are_scaled(large: Size, small: Size) -> bool:
    """Return whether a size is another divided by a whole number from 2, rounded either way."""
    factor = round(large[0] / small[0])
    return factor >= 2 and all(abs(a / factor - b) <= 1 for a, b in zip(large, small, strict=True))


def are_alike(large: Size, small: Size) -> bool:
    """Return whether a size is another divided by any number, apart from rounding and padding.

    An image of another shape is no level, although a program may list it as one: a label, say.
    """
    if abs(large[0] * small[1] - large[1] * small[0]) <= _PADDING * large[0] * small[1]:
        return True
    lowest = max(a / (b + _ROUNDING) for a, b in zip(large, small, strict=True))
    highest = min(a / max(b - _ROUNDING, 1e-9) for a, b in zip(large, small, strict=True))
    return lowest <= highest


def with_subifds(pages: list[Any]) -> list[list[Any]]:
    """Return the levels whose first are these pages, and the others their sub-images."""
    stacks = [[page, *_subpages(page)] for page in pages]
    first, *smaller = [list(level) for level in zip(*stacks, strict=False)]
    whole = size_of(pages[0])
    sizes = Counter(size_of(level[0]) for level in smaller)
    kept = [size for size, n in sizes.items() if n == 1 and size < whole and are_alike(whole, size)]
    return [first, *(level for level in smaller if size_of(level[0]) in kept)]


def _subpages(page: Any) -> list[Any]:
    return list(page.pages) if page.subifds else []


def nth_of_each_size(pages: list[Any], number: int, full: list[Any]) -> list[Any]:
    """Return the reduced pages of one of several images of the same size.

    Whether the file lists the images one after the other or level by level, the n-th page of each
    size belongs to the n-th image. Of a size that not every image has, only the first has a level.
    """
    by_size: dict[Size, list[Any]] = {}
    for page in pages:
        by_size.setdefault(size_of(page), []).append(page)
    if number == 0:
        return [same[0] for same in by_size.values()]
    return [same[number] for same in by_size.values() if len(same) == len(full)]
