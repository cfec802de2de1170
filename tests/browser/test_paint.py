"""Painted maps: every pixel is held against the tiles that lie under it."""

import numpy as np
import pytest
from builders.checkout import PROJECT

from histospace_core.figures.colours import (
    INKS,
    OUT_OF_DOMAIN,
    SCALES,
    colour_table,
    ink_table,
    rgb,
)
from histospace_core.figures.grid import tile_grid

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAINTER = PROJECT / "histospace_core" / "server" / "static" / "viewer" / "paint.js"
# NaN is no JSON: a missing value is null.
CALL = """({ grid, values, box, size, look }) => Array.from(paint({
  grid, box, size, look, values: Float32Array.from(values, (v) => v ?? NaN),
}))"""
MIX = """({ grid, parts, box, size }) => Array.from(paintMix({
  grid, box, size,
  parts: parts.map((part) => ({ ...part, values: Float32Array.from(part.values) })),
}))"""


@pytest.fixture(scope="module")
def painter(chromium):
    """The script of the viewer that paints, alone in a browser."""
    page = chromium.new_page()
    code = PAINTER.read_text("utf-8").replace("export function", "function")
    page.add_script_tag(content=f"{code}\nObject.assign(window, {{ paint, paintMix }});")
    yield page
    page.close()


class Layer:
    """Tiles on a grid as wide as `values` (rows, columns); NaN marks a missing value."""

    def __init__(self, painter, values, *, stride=100.0, tile=100.0, out_of_domain=()):
        values = np.asarray(values, np.float32)
        y, x = np.mgrid[: values.shape[0], : values.shape[1]]
        grid = tile_grid(np.column_stack([x.ravel(), y.ravel()]) * stride + tile / 2, tile, stride)
        flags = np.isin(np.arange(values.size), list(out_of_domain))
        self.painter = painter
        self.values = grid.fill(values.ravel()).ravel()
        self.grid = {
            "x": grid.x_edges.tolist(),
            "y": grid.y_edges.tolist(),
            "out_of_domain": np.nan_to_num(grid.fill(flags)).ravel().astype(int).tolist(),
        }

    def paint(self, box, size, scale="Viridis", limits=(0.0, 1.0), grey=True):
        values = [None if np.isnan(value) else value for value in self.values.tolist()]
        table = colour_table(scale).ravel().tolist()
        look = {
            "table": table,
            "limits": limits,
            "grey": list(rgb(OUT_OF_DOMAIN)) if grey else None,
        }
        asked = {"grid": self.grid, "values": values, "box": box, "size": size, "look": look}
        flat = self.painter.evaluate(CALL, asked)
        return np.array(flat, np.uint8).reshape(size[1], size[0], 4)


def colour(value, scale="Viridis"):
    return colour_table(scale)[round(value * 255)]


def test_close_by_each_tile_shows_its_own_colour_at_its_true_size(painter):
    values = [[0.2, 0.8], [0.4, 0.6]]
    for scale in SCALES:
        picture = Layer(painter, values).paint((0, 0, 200, 200), (200, 200), scale)
        for row in range(2):
            for column in range(2):
                tile = picture[row * 100 : row * 100 + 100, column * 100 : column * 100 + 100]
                assert (tile[..., :3] == colour(values[row][column], scale)).all()
                assert (tile[..., 3] == 255).all()


def test_far_out_a_pixel_is_the_mean_of_the_tiles_under_it(painter):
    values = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    picture = Layer(painter, values).paint((0, 0, 800, 800), (2, 2))
    for row in range(2):
        for column in range(2):
            mean = values[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].mean()
            assert (picture[row, column, :3] == colour(mean)).all()


def test_a_pixel_is_as_opaque_as_tiles_cover_it_and_missing_values_do_not_pull(painter):
    layer = Layer(painter, [[0.8, np.nan], [np.nan, np.nan]])
    (pixel,) = layer.paint((0, 0, 200, 200), (1, 1))[0]
    assert (pixel[:3] == colour(0.8)).all()
    assert pixel[3] == round(255 / 4)


def test_gaps_between_tiles_stay_bare(painter):
    picture = Layer(painter, [[0.2, 0.6]], stride=150.0).paint((0, 0, 250, 100), (250, 100))
    assert (picture[:, :100, 3] == 255).all()
    assert (picture[:, 100:150, 3] == 0).all()
    assert (picture[:, 150:, :3] == colour(0.6)).all()


def test_boxes_beside_the_tiles_are_empty_and_any_box_is_the_same_picture_cut(painter):
    layer = Layer(painter, np.random.default_rng(1).random((5, 7)))
    assert not layer.paint((5000, 5000, 512, 512), (64, 64)).any()
    assert not layer.paint((-900, -900, 512, 512), (64, 64)).any()
    whole = layer.paint((0, 0, 700, 500), (700, 500))
    part = layer.paint((250, 130, 256, 256), (256, 256))
    np.testing.assert_array_equal(part, whole[130:386, 250:506])


def test_values_beyond_the_limits_take_the_ends_of_the_scale(painter):
    picture = Layer(painter, [[-5.0, 5.0]]).paint((0, 0, 200, 100), (2, 1), limits=(0.2, 0.8))
    assert (picture[0, 0, :3] == colour(0)).all()
    assert (picture[0, 1, :3] == colour(1)).all()


def test_foreign_tiles_are_grey_unless_asked_otherwise(painter):
    layer = Layer(painter, [[0.2, 0.8]], out_of_domain=[1])
    picture = layer.paint((0, 0, 200, 100), (2, 1))
    assert (picture[0, 0, :3] == colour(0.2)).all()
    assert (picture[0, 1, :3] == rgb(OUT_OF_DOMAIN)).all()
    (mixed,) = layer.paint((0, 0, 200, 100), (1, 1))[0]
    halfway = (colour(0.2).astype(float) + rgb(OUT_OF_DOMAIN)) / 2
    np.testing.assert_allclose(mixed[:3], halfway, atol=1)
    plain = layer.paint((0, 0, 200, 100), (2, 1), grey=False)
    assert (plain[0, 1, :3] == colour(0.8)).all()


@pytest.mark.parametrize("n", INKS)
def test_a_mixture_is_light_that_passed_every_ink(painter, n):
    """Against the blend written out: each ink takes from white what it does not let through."""
    rng = np.random.default_rng(n)
    shares = rng.random((n, 3, 4))
    shares[:, 0, 0] = 0
    layers = [Layer(painter, share, out_of_domain=[5]) for share in shares]
    grey = list(rgb(OUT_OF_DOMAIN))
    parts = [
        {
            "values": layer.values.tolist(),
            "look": {"table": ink_table(ink).ravel().tolist(), "limits": (0, 1), "grey": grey},
        }
        for layer, ink in zip(layers, INKS[n], strict=True)
    ]
    asked = {"grid": layers[0].grid, "parts": parts, "box": (0, 0, 400, 300), "size": (4, 3)}
    picture = np.array(painter.evaluate(MIX, asked)).reshape(3, 4, 4)
    inks = np.array([rgb(ink) for ink in INKS[n]]) / 255
    expected = 255 * np.prod(1 - shares[..., None] * (1 - inks[:, None, None]), axis=0)
    expected[1, 1] = grey  # the sixth tile is out of domain
    assert (picture[..., 3] == 255).all()
    assert (picture[0, 0, :3] == 255).all()
    np.testing.assert_allclose(picture[..., :3], expected, atol=3)  # 256 steps an ink
