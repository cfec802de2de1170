"""Flat images: one level, decoded by libvips."""

from pathlib import Path

import numpy as np
from PIL import Image

from histospace_core.slides.open import open_slide


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """libvips remembers images by their path."""
    path = tmp_path / "slide.png"
    for value in (40, 200):
        Image.new("RGB", (64, 48), (value, value, value)).save(path)
        with open_slide(path) as slide:
            assert np.unique(slide.read(0, 0, 64, 48, 64, 48)).tolist() == [value]
