"""A prediction as an AnnData with the layout that scanpy and squidpy expect."""

from collections.abc import Sequence
from math import e
from typing import Any, Final

import anndata
import numpy as np
from PIL import Image

from histospace_core.exports.csv import safe_name
from histospace_core.inference import Prediction
from histospace_core.inference.layout import UNS_KEY
from histospace_core.inference.store import as_uns

BASES: Final = {"log10_cp10k": 10.0, "log1p_cp10k": e}
"""Base of the logarithm of an expression unit; scanpy needs it to compute fold changes."""
_LOW_RES = 600  # px, as in Space Ranger output


def spatial_table(prediction: Prediction, genes: Sequence[str]) -> anndata.AnnData:
    """Return tiles x genes with positions, slide image, scale factors, scores and record.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        Variables of the table, in this order.

    Returns
    -------
    AnnData
        ``X`` is float32, in the unit that ``uns["histospace"]["model"]["expression_unit"]`` names.
        Tiles without a prediction are left out, because most analyses fail on NaN; ``obs["qc"]``
        of the run and `tiles` of the record count them. ``obsm["spatial"]`` are tile centres in
        level-0 px; ``obs`` has ``array_row`` and ``array_col``, the position in the grid.
        ``uns["spatial"][slide]`` has ``images`` and ``scalefactors`` as for Space Ranger output, so
        that squidpy and scanpy draw the slide; ``uns["log1p"]["base"]`` is the logarithm's base.
    """
    has_value = (prediction.obs["qc"] == "ok").to_numpy()
    if len(genes) == len(prediction.genes):
        # one read instead of one per gene
        table = prediction.to_anndata()[has_value, list(genes)].copy()
    else:
        table = anndata.AnnData(
            np.column_stack([prediction.gene(gene)[has_value] for gene in genes]),
            obs=prediction.obs[has_value],
            var=prediction.var.loc[list(genes)],
            obsm={"spatial": prediction.centres[has_value]},
            uns={UNS_KEY: as_uns(prediction.record)},
        )
    centres, stride = table.obsm["spatial"], prediction.record.tiles.stride_level0_px
    # an `initial` value, because there may be no tile with a prediction
    column, row = np.rint((centres - centres.min(0, initial=np.inf)) / stride).astype(np.int64).T
    # columns of Space Ranger output
    table.obs = table.obs.assign(in_tissue=1, array_row=row, array_col=column)
    table.uns["spatial"] = {library(prediction): _pictures(prediction)}
    unit = prediction.record.model.expression_unit
    if unit in BASES:
        table.uns["log1p"] = {"base": BASES[unit]}
    return table


def library(prediction: Prediction) -> str:
    """Return the slide's name as a key, which squidpy calls the library."""
    return safe_name(prediction.record.slide.name)


def _pictures(prediction: Prediction) -> dict[str, Any]:
    slide = prediction.record.slide
    found: dict[str, Any] = {
        "scalefactors": {
            "spot_diameter_fullres": prediction.tile_level0,
            "fiducial_diameter_fullres": prediction.tile_level0,
        },
        "metadata": {"mpp": prediction.mpp, "spots": "square tiles"},
    }
    if prediction.overview is not None:
        high = Image.fromarray(prediction.overview)
        low = high.copy()
        low.thumbnail((_LOW_RES, _LOW_RES))
        found["images"] = {"hires": np.asarray(high), "lowres": np.asarray(low)}
        found["scalefactors"] |= {
            "tissue_hires_scalef": high.width / slide.width,
            "tissue_lowres_scalef": low.width / slide.width,
        }
    return found
