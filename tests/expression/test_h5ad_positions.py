"""Positions of an `.h5ad`: where they are kept, and that they are full-resolution pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histospace_core.errors import MeasurementError
from histospace_core.expression.h5ad import read_h5ad

SPOTS = [f"s{i}" for i in range(6)]
CENTRES = np.array([[10, 40], [110, 40], [10, 140], [110, 140], [10, 240], [110, 240.5]])
Write = Callable[..., Path]


def frame(*names: str, values: np.ndarray = CENTRES) -> pd.DataFrame:
    return pd.DataFrame(values, index=SPOTS, columns=list(names))


def test_other_places_are_said(write_h5ad: Write) -> None:
    raw = read_h5ad(write_h5ad(obsm={"X_spatial": CENTRES}))
    assert raw.centres.tolist() == CENTRES.tolist()
    assert 'Positions are those of obsm["X_spatial"].' in raw.notes


@pytest.mark.parametrize(
    "names",
    [
        ("imagecol", "imagerow"),
        ("pxl_col_in_fullres", "pxl_row_in_fullres"),
        ("pixel_x", "pixel_y"),
    ],
)
def test_columns_of_obs_by_name(write_h5ad: Write, names: tuple[str, str]) -> None:
    obs = frame(*names)[list(names)[::-1]]
    raw = read_h5ad(write_h5ad(obsm=None, obs=obs))
    assert raw.centres.tolist() == CENTRES.tolist()
    assert f"Positions are those of obs: {names[0]} (x) and {names[1]} (y)." in raw.notes


@pytest.mark.parametrize("names", [("x", "y"), ("imagecol", "imagerow"), ("X", "Y")])
def test_a_table_in_obsm_is_read_by_name(write_h5ad: Write, names: tuple[str, str]) -> None:
    spatial = frame(*names)[list(names)[::-1]]
    obs = pd.DataFrame(index=SPOTS)
    raw = read_h5ad(write_h5ad(obsm={"spatial": spatial}, obs=obs))
    assert raw.centres.tolist() == CENTRES.tolist()
    with pytest.raises(MeasurementError, match=r"not known by name \(found a, b\)"):
        read_h5ad(write_h5ad(obsm={"spatial": frame("a", "b")}, obs=obs))


def test_a_third_column(write_h5ad: Write) -> None:
    flat = np.column_stack([CENTRES, np.full(6, 7.0)])
    raw = read_h5ad(write_h5ad(obsm={"spatial": flat}))
    assert raw.centres.tolist() == CENTRES.tolist()
    assert "third column" in raw.notes[0]
    stack = np.column_stack([CENTRES, np.arange(6.0)])
    with pytest.raises(MeasurementError, match="z differs between spots"):
        read_h5ad(write_h5ad(obsm={"spatial": stack}))


@pytest.mark.parametrize("order", [1, -1])
def test_array_positions_are_no_pixels(write_h5ad: Write, order: int) -> None:
    array = np.array([[0, 0], [0, 2], [1, 1], [1, 3], [2, 0], [2, 2]])
    obs = frame("array_row", "array_col", values=array)
    with pytest.raises(MeasurementError, match="holds array positions, not pixels"):
        read_h5ad(write_h5ad(obsm={"spatial": array[:, ::order].astype(float)}, obs=obs))


@pytest.mark.parametrize(
    ("spatial", "message"),
    [(CENTRES[:, ::-1], "holds y before x"), (CENTRES * 0.17, "differs from them .spot s5: 110")],
)
def test_columns_of_space_ranger_that_contradict(
    write_h5ad: Write, spatial: np.ndarray, message: str
) -> None:
    obs = frame("pxl_col_in_fullres", "pxl_row_in_fullres")
    assert read_h5ad(write_h5ad(obsm={"spatial": CENTRES.copy()}, obs=obs)).notes == []
    with pytest.raises(MeasurementError, match=message):
        read_h5ad(write_h5ad(obsm={"spatial": spatial.copy()}, obs=obs))


def test_pixels_of_the_reduced_image_are_refused(write_h5ad: Write) -> None:
    scale = {"spot_diameter_fullres": 60.0, "tissue_hires_scalef": 0.1}
    uns = {"spatial": {"a": {"images": {"hires": np.zeros((30, 20, 3))}, "scalefactors": scale}}}
    obs = pd.DataFrame(index=SPOTS)
    full = read_h5ad(write_h5ad(obsm={"spatial": CENTRES}, obs=obs, uns=uns))
    assert (full.spot_diameter, full.notes) == (60.0, [])
    with pytest.raises(MeasurementError, match=r"divide them by tissue_hires_scalef \(0\.1\)"):
        read_h5ad(write_h5ad(obsm={"spatial": CENTRES * 0.1}, obs=obs, uns=uns))
    del scale["spot_diameter_fullres"]
    noted = read_h5ad(write_h5ad(obsm={"spatial": CENTRES * 0.1}, obs=obs, uns=uns))
    assert "within the reduced image" in noted.notes[0]


def test_a_missing_position_is_named(write_h5ad: Write) -> None:
    obs = frame("imagecol", "imagerow")
    obs.loc["s3", "imagerow"] = np.nan
    with pytest.raises(MeasurementError, match=r"imagerow of obs is 'nan' for spot s3"):
        read_h5ad(write_h5ad(obsm=None, obs=obs))
