"""A prediction as one .h5ad file, for scanpy, squidpy and whatever reads AnnData."""

from collections.abc import Sequence
from pathlib import Path

from histospace_core.exports.table import spatial_table
from histospace_core.files import create
from histospace_core.inference import Prediction


def write_h5ad(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write what `spatial_table` returns.

    Parameters
    ----------
    prediction : Prediction
        An opened run; its record, "research use only" among it, is ``uns["histospace"]``.
    genes : sequence of str
        Become the variables, in this order.
    out : pathlib.Path
        A new file.

    Raises
    ------
    StoreError
        When the file exists or cannot be written.
    """
    with create(out) as part:
        spatial_table(prediction, genes).write_h5ad(part, compression="gzip")
