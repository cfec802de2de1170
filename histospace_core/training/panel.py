"""The panel: the genes that a network learns, and their normalised expression."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import CohortError
from histospace_core.expression import normalise

_UNNAMED = re.compile(r"^ENS[A-Z]*G\d{6,}(\.\d+)?$")  # of any species: ENSG, ENSMUSG


@dataclass(frozen=True)
class Panel:
    """The genes that are non-zero in more than half of the given spots, by name.

    Attributes
    ----------
    genes, gene_ids
        Symbol and Ensembl id ("" where unknown) of each gene.
    """

    genes: tuple[str, ...]
    gene_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.genes)

    def expression(self, measured: AnnData, how: str) -> NDArray[np.float32]:
        """Return normalised expression (spots, panel); a gene that was not counted is 0."""
        known = [g for g in self.genes if g in measured.var_names]
        values = np.zeros((measured.n_obs, len(self)), np.float32)
        columns = pd.Index(self.genes).get_indexer(known)
        values[:, columns] = normalise(measured, how, genes=known)
        return values

    def counts(self, measured: AnnData) -> sparse.csr_array:
        """Return raw counts (spots, panel); a gene that was not counted is 0."""
        columns = pd.Index(measured.var_names).get_indexer(list(self.genes))
        padded = sparse.hstack(
            [sparse.csc_array(measured.X), sparse.csc_array((measured.n_obs, 1))], format="csc"
        )
        return sparse.csr_array(
            padded[:, columns]
        )  # index -1, a gene not counted, selects the added column of zeros

    def deep_spots(self, measured: AnnData) -> NDArray[np.bool_]:
        """Return bool (spots,): whether a spot has counts of at least half of the panel."""
        return (self.expression(measured, "raw") > 0).mean(1) >= 0.5


def select_panel(sections: Sequence[AnnData]) -> Panel:
    """Select the named genes that are non-zero in more than half of the pooled spots.

    Genes with an Ensembl id in place of a symbol are left out, unless no frequent gene has a
    symbol, as in some counts of mouse genes.
    """
    genes = sorted({g for s in sections for g in s.var_names})
    index = pd.Index(genes)
    nonzero = np.zeros(len(genes))
    ids = np.full(len(genes), "", dtype=object)
    for section in sections:
        columns = index.get_indexer(section.var_names)
        nonzero[columns] += np.diff(sparse.csc_matrix(section.X).indptr)
        if "gene_id" in section.var:
            ids[columns] = section.var["gene_id"].fillna("").astype(str)
    frequent = nonzero > 0.5 * sum(s.n_obs for s in sections)  # as published
    named = np.array([not _UNNAMED.match(g) for g in genes])
    keep = frequent & named if (frequent & named).any() else frequent
    if not keep.any():
        raise CohortError(
            "No gene is counted in more than half of the training spots; the counts are too "
            "shallow, so use other sections."
        )
    return Panel(tuple(index[keep]), tuple(ids[keep]))
