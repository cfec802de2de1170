"""Augmentation moves, turns and stains as drawn, and nothing else."""

import torch

from histospace_core.training.augment import Draw, augmented

MARGIN = 3


def _view(n: int = 5, px: int = 8) -> torch.Tensor:
    side = px + 2 * MARGIN
    return torch.randint(1, 256, (n, side, side, 3), dtype=torch.uint8)


def test_nothing_drawn_gives_the_centre() -> None:
    view = _view()
    (pixels,) = augmented([view], [MARGIN], torch.tensor([4, 1]), Draw.none(2))
    centre = view[[4, 1], MARGIN:-MARGIN, MARGIN:-MARGIN].permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(pixels, centre)


def test_a_shift_moves_x_and_y() -> None:
    view = _view(1)
    (pixels,) = augmented([view], [MARGIN], torch.tensor([0]), Draw.none(1, shift=(1.0, -1.0)))
    corner = view[:, : -2 * MARGIN, 2 * MARGIN :].permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(pixels, corner)


def test_the_eight_symmetries_differ_and_keep_the_pixels() -> None:
    view = _view(1)
    seen = [augmented([view], [MARGIN], torch.tensor([0]), Draw.none(1, s))[0] for s in range(8)]
    assert len({tuple(s.flatten().tolist()) for s in seen}) == 8
    for s in seen:
        torch.testing.assert_close(s.flatten().sort().values, seen[0].flatten().sort().values)


def test_gain_acts_on_optical_density() -> None:
    view = _view(1)
    draw = Draw.none(1)
    stronger = Draw(draw.shift, 0, torch.full((1, 3, 1, 1), 2.0), draw.bias)
    (plain,) = augmented([view], [MARGIN], torch.tensor([0]), draw)
    (dark,) = augmented([view], [MARGIN], torch.tensor([0]), stronger)
    torch.testing.assert_close(dark, plain**2)


def test_a_part_of_a_draw_is_the_draw_of_that_part() -> None:
    view, rows = _view(6), torch.arange(6)
    draw = Draw.random(6, torch.Generator().manual_seed(1), 0.2)
    (whole,) = augmented([view], [MARGIN], rows, draw)
    (part,) = augmented([view], [MARGIN], rows[2:4], draw.part(slice(2, 4)))
    torch.testing.assert_close(whole[2:4], part)
