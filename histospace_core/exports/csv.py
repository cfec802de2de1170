"""Tables as CSV that pandas, R and spreadsheets read alike and that contain no formula.

Form: RFC 4180 (comma, CRLF, quotes where needed), UTF-8 without a byte-order mark, header in the
first line and no comment lines, since those break readers. The facts that belong to the numbers
(run, model, unit, "research use only") are therefore columns of every row.

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

from histospace_core.inference import OUT_OF_DOMAIN_SCORE, RESEARCH_USE, Prediction

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def escape_formula(text: object) -> object:
    """Return `text` so that no spreadsheet evaluates it; other values are returned unchanged."""
    if isinstance(text, str) and text.startswith(_FORMULA):
        return "'" + text
    return text


def to_csv(table: pd.DataFrame) -> bytes:
    """Write a table without its index, with formulas escaped in text cells and column names.

    Numbers get the fewest digits that restore the same float32 or float64.
    """
    safe = table.copy(deep=False)
    for position, kind in enumerate(safe.dtypes):
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
    """Write predicted expression, one row per tile.

    Parameters
    ----------
    prediction : Prediction
        An opened run.
    genes : sequence of str
        One column each, in the unit that the column ``unit`` names.
    selection : sequence of int, optional
        Tiles to write; all of them where not given.

    Returns
    -------
    bytes
        Columns ``tile, x_px, y_px, x_um, y_um, qc, unlike_training_tissue``, the genes, ``unit,
        model, slide_sha256, use``. Positions are tile centres, in level-0 px and um. Values are
        exact to float32; a tile that could not be read has none.

    Raises
    ------
    StoreError
        When the model does not predict one of the genes.
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
    """Write one gene of a comparison, one row per matched spot.

    Parameters
    ----------
    spots : AnnData
        ``Comparison.spots``: layers ``measured`` and ``predicted``.
    gene : str
    summary : mapping
        ``Comparison.summary``.

    Returns
    -------
    bytes
        Columns ``spot, x_px, y_px, gene, measured, predicted, unit, model, use``.
    """
    column = spots.var_names.get_loc(gene)
    table = {
        "spot": spots.obs_names.to_numpy(dtype=str),
        "x_px": spots.obsm["spatial"][:, 0],
        "y_px": spots.obsm["spatial"][:, 1],
        "gene": gene,
        "measured": np.asarray(spots.layers["measured"][:, column]).ravel(),
        "predicted": np.asarray(spots.layers["predicted"][:, column]).ravel(),
        "unit": summary["expression_unit"],
        "model": summary["model"],
        "use": RESEARCH_USE,
    }
    return to_csv(pd.DataFrame(table))


def genes_csv(genes: pd.DataFrame) -> bytes:
    """Write a table of genes (the scores of a model or of a comparison), one row per gene."""
    table = genes if "gene" in genes.columns else genes.rename_axis("gene").reset_index()
    return to_csv(table.assign(use=RESEARCH_USE))


def safe_name(*parts: str) -> str:
    """Return `parts` as one name of letters, digits, ``_ . -``, safe on every system."""
    return "-".join(re.sub(r"[^\w.]+", "_", part).strip("_.") or "x" for part in parts)


def file_name(*parts: str, suffix: str = ".csv") -> str:
    """Return a file name made of `parts`, safe on every system."""
    return safe_name(*parts) + suffix
