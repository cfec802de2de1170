"""CSV tables that pandas, R and spreadsheets read in the same way, and that contain no formulas.

The format is RFC 4180 (comma, CRLF, quotes where needed) in UTF-8 without a byte-order mark. The
header is the first line; there are no comment lines, because many programs cannot read them. The
model, the slide, the unit and "research use only" are therefore columns of every row.

Text that a spreadsheet would read as a formula (it begins with ``= + - @``, TAB, CR or LF) gets a
leading apostrophe; numbers stay numbers. https://owasp.org/www-community/attacks/CSV_Injection
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from histospace_core.comparison.at_spots import LAYER
from histospace_core.inference import OUT_OF_DOMAIN_SCORE, RESEARCH_USE, Prediction

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def escape_formula(text: object) -> object:
    """Return text in a form that no spreadsheet evaluates; other values are returned unchanged."""
    if isinstance(text, str) and text.startswith(_FORMULA):
        return "'" + text
    return text


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV without its index; formulas in cells and column names are escaped.

    Numbers get the fewest digits that restore the same float32 or float64.
    """
    safe = table.copy(deep=False)
    for position, kind in enumerate(safe.dtypes):  # by position, because names may repeat
        if not pd.api.types.is_numeric_dtype(kind):
            column = safe.iloc[:, position].astype(object).map(escape_formula)
            safe.isetitem(position, column)
    safe.columns = pd.Index([escape_formula(str(name)) for name in table.columns])
    return safe.to_csv(index=False, lineterminator="\r\n").encode()


def map_csv(
    prediction: Prediction,
    genes: Sequence[str],
    selection: npt.NDArray[np.intp] | Sequence[int] | None = None,
) -> bytes:
    """Return predicted expression as CSV, one row per tile.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        One column each, in the unit that the column ``unit`` names.
    selection : sequence of int, optional
        Indices of the tiles to write; all tiles by default.

    Returns
    -------
    bytes
        Columns ``tile, x_px, y_px, x_um, y_um, qc, unlike_training_tissue``, the genes, ``unit,
        model, slide_sha256, use``. Positions are tile centres, in level-0 px and um. Values are
        exact to float32; a tile that could not be read has none.

    Raises
    ------
    StoreError
        The model does not predict one of the genes.
    """
    rows = np.arange(prediction.n_tiles) if selection is None else np.asarray(selection, np.intp)
    centres, record = prediction.centres[rows], prediction.record
    out_of_domain = prediction.obs["domain_score"].to_numpy()[rows] > OUT_OF_DOMAIN_SCORE
    columns: dict[str, Any] = {
        "tile": prediction.obs.index.to_numpy(dtype=str)[rows],
        "x_px": centres[:, 0],
        "y_px": centres[:, 1],
        "x_um": np.round(centres[:, 0] * prediction.mpp, 3),
        "y_um": np.round(centres[:, 1] * prediction.mpp, 3),
        "qc": prediction.obs["qc"].to_numpy(dtype=str)[rows],
        "unlike_training_tissue": out_of_domain,
    }
    columns |= {gene: prediction.gene(gene)[rows] for gene in genes}
    columns |= {
        "unit": record.model.expression_unit,
        "model": record.model.name,
        "slide_sha256": record.slide.sha256,
        "use": RESEARCH_USE,
    }
    return to_csv(pd.DataFrame(columns))


def spots_csv(spots: AnnData, gene: str, summary: Mapping[str, Any]) -> bytes:
    """Return one gene of a comparison as CSV, one row per matched spot.

    Parameters
    ----------
    spots : AnnData
        ``Comparison.spots``: layers ``measured``, ``predicted`` (the map's value) and, if the slide
        was given, ``predicted_at_spots``.
    gene : str
    summary : mapping
        ``Comparison.summary``.

    Returns
    -------
    bytes
        Columns ``spot, x_px, y_px, gene``, one for each layer, ``unit, model, use``.
    """
    column = spots.var_names.get_loc(gene)
    table = {
        "spot": spots.obs_names.to_numpy(dtype=str),
        "x_px": spots.obsm["spatial"][:, 0],
        "y_px": spots.obsm["spatial"][:, 1],
        "gene": gene,
        **{
            layer: np.asarray(spots.layers[layer][:, column]).ravel()
            for layer in ("measured", "predicted", LAYER)
            if layer in spots.layers
        },
        "unit": summary["expression_unit"],
        "model": summary["model"],
        "use": RESEARCH_USE,
    }
    return to_csv(pd.DataFrame(table))


def genes_csv(genes: pd.DataFrame) -> bytes:
    """Return a table of genes (the scores of a model or of a comparison) as CSV."""
    table = genes if "gene" in genes.columns else genes.rename_axis("gene").reset_index()
    return to_csv(table.assign(use=RESEARCH_USE))


def safe_name(*parts: str) -> str:
    """Join `parts` to a name of letters, digits and ``_ . -``, which is valid on every system."""
    return "-".join(re.sub(r"[^\w.]+", "_", part).strip("_.") or "x" for part in parts)


def file_name(*parts: str, suffix: str = ".csv") -> str:
    """Join `parts` to a file name that is valid on every system."""
    return safe_name(*parts) + suffix
