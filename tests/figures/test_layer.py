"""Gene layers: every pixel is held against the tiles that lie under it."""

import numpy as np
import pytest

from histospace_core.figures.colours import FOREIGN, SCALES, colour_table, rgb
from histospace_core.figures.grid import tile_grid
from histospace_core.figures.layer import GeneLayer

LIMITS = (0.0, 1.0)


def layer_of(values, *, stride=100.0, tile=100.0, foreign=()):
    """Tiles on a grid as wide as `values` (rows, columns); NaN marks a missing value."""
    values = np.asarray(values, np.float32)
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    centres = np.column_stack([x.ravel(), y.ravel()]) * stride + tile / 2
    flags = np.zeros(values.size, bool)
    flags[list(foreign)] = True
    return GeneLayer(tile_grid(centres, tile, stride), values.ravel(), flags)


def colour(value, scale="Viridis"):
    return colour_table(scale)[round(value * 255)]


def paint(layer, box, size, scale="Viridis", limits=LIMITS, **options):
    return layer.paint(box, size, scale=scale, limits=limits, **options)


@pytest.mark.parametrize("scale", SCALES)
def test_close_by_each_tile_shows_its_own_colour_at_its_true_size(scale):
    values = [[0.2, 0.8], [0.4, 0.6]]
    picture = paint(layer_of(values), (0, 0, 200, 200), (200, 200), scale)
    for row in range(2):
        for column in range(2):
            tile = picture[row * 100 : row * 100 + 100, column * 100 : column * 100 + 100]
            assert (tile[..., :3] == colour(values[row][column], scale)).all()
            assert (tile[..., 3] == 255).all()


def test_far_out_a_pixel_is_the_mean_of_the_tiles_under_it():
    values = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    picture = paint(layer_of(values), (0, 0, 800, 800), (2, 2))
    for row in range(2):
        for column in range(2):
            mean = values[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].mean()
            assert (picture[row, column, :3] == colour(mean)).all()


def test_a_pixel_is_as_opaque_as_tiles_cover_it_and_missing_values_do_not_pull():
    layer = layer_of([[0.8, np.nan], [np.nan, np.nan]])
    (pixel,) = paint(layer, (0, 0, 200, 200), (1, 1))[0]
    assert (pixel[:3] == colour(0.8)).all()
    assert pixel[3] == round(255 / 4)


def test_gaps_between_tiles_stay_bare():
    picture = paint(layer_of([[0.2, 0.6]], stride=150.0), (0, 0, 250, 100), (250, 100))
    assert (picture[:, :100, 3] == 255).all()
    assert (picture[:, 100:150, 3] == 0).all()
    assert (picture[:, 150:, :3] == colour(0.6)).all()


def test_boxes_beside_the_tiles_are_empty_and_any_box_is_the_same_picture_cut():
    layer = layer_of(np.random.default_rng(1).random((5, 7)))
    assert not paint(layer, (5000, 5000, 512, 512), (64, 64)).any()
    assert not paint(layer, (-900, -900, 512, 512), (64, 64)).any()
    whole = paint(layer, (0, 0, 700, 500), (700, 500))
    part = paint(layer, (250, 130, 256, 256), (256, 256))
    np.testing.assert_array_equal(part, whole[130:386, 250:506])


def test_values_beyond_the_limits_take_the_ends_of_the_scale():
    picture = paint(layer_of([[-5.0, 5.0]]), (0, 0, 200, 100), (2, 1), limits=(0.2, 0.8))
    assert (picture[0, 0, :3] == colour(0)).all()
    assert (picture[0, 1, :3] == colour(1)).all()


def test_foreign_tiles_are_grey_unless_asked_otherwise():
    layer = layer_of([[0.2, 0.8]], foreign=[1])
    picture = paint(layer, (0, 0, 200, 100), (2, 1))
    assert (picture[0, 0, :3] == colour(0.2)).all()
    assert (picture[0, 1, :3] == rgb(FOREIGN)).all()
    (mixed,) = paint(layer, (0, 0, 200, 100), (1, 1))[0]
    halfway = (colour(0.2).astype(float) + rgb(FOREIGN)) / 2
    np.testing.assert_allclose(mixed[:3], halfway, atol=1)
    plain = paint(layer, (0, 0, 200, 100), (2, 1), grey=False)
    assert (plain[0, 1, :3] == colour(0.8)).all()


def test_the_scales_run_from_end_to_end_in_order_of_lightness():
    weights = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709: what every kind of vision keeps
    for scale in SCALES:
        light = colour_table(scale).astype(float) @ weights
        assert (np.diff(light) > -1.5).all() or (np.diff(light) < 1.5).all(), scale
        assert abs(light[-1] - light[0]) > 150, scale
