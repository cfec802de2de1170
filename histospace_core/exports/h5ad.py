"""A prediction as one .h5ad file, for scanpy, squidpy and other programs that read AnnData."""

from collections.abc import Sequence
from pathlib import Path

from histospace_core.exports.table import spatial_table
from histospace_core.files import create
from histospace_core.inference import Prediction


def write_h5ad(prediction: Prediction, genes: Sequence[str], out: Path) -> None:
    """Write the table that `spatial_table` returns.

    Parameters
    ----------
    prediction : Prediction
        An opened run; ``uns["histospace"]`` is its record, including "research use only".
    genes : sequence of str
        Variables of the table, in this order.
    out : pathlib.Path
        A new file.

    Raises
    ------
    StoreError
        The file exists or cannot be written.
    """
    with create(out) as part:
        spatial_table(prediction, genes).write_h5ad(part, compression="gzip")
