"""Match measured genes to the gene panel of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from anndata import AnnData

from histospace_core.errors import MeasurementError
from histospace_core.expression.genes import NO_ID, reconcile_genes, strip_version


@dataclass(frozen=True)
class PanelMatch:
    """How the genes of a panel match those of a measurement.

    Attributes
    ----------
    matched : DataFrame in panel order: gene (the panel's name), measured_as (the file's name),
        how: "name", "gene_id" or "symbol" (the current symbol of both).
    missing : panel genes that were not measured.
    n_not_in_panel : measured genes that the panel does not have.
    """

    matched: pd.DataFrame
    missing: list[str]
    n_not_in_panel: int

    @property
    def message(self) -> str:
        """One sentence for a report."""
        n_panel = len(self.matched) + len(self.missing)
        renamed = int((self.matched["how"] != "name").sum())
        return (
            f"{len(self.matched):,} of the model's {n_panel:,} genes were measured "
            f"({renamed} under another name); {self.n_not_in_panel:,} measured genes are not "
            "in the model."
        )


def map_to_panel(
    adata: AnnData, panel_genes: Sequence[str], panel_ids: Sequence[str] | None = None
) -> tuple[AnnData, PanelMatch]:
    """Select the genes that a model's panel and a measurement have in common.

    A panel gene is searched by its own name, then by Ensembl id, then by current symbol. The names
    of both sides are reconciled, so that a panel of 2019 matches a file of 2024. A measured gene
    matches only one panel gene.

    Parameters
    ----------
    adata : from `read_measured`.
    panel_genes : the panel's names, unique.
    panel_ids : their Ensembl ids ("" if unknown), if the panel has them.

    Returns
    -------
    (AnnData, PanelMatch): the common genes, in panel order, under the panel's names, with
    `var["measured_as"]`; `obs["total_counts"]` is still the library size over all genes.

    Raises
    ------
    MeasurementError
        There is no gene in common; the message gives examples of both sides.
    """
    genes = [str(gene) for gene in panel_genes]
    found = reconcile_genes(genes)
    ids = found["gene_id"].tolist()
    if panel_ids is not None:
        given = ["" if pd.isna(i) else strip_version(str(i)) for i in panel_ids]
        ids = [g or i for g, i in zip(given, ids, strict=True)]

    columns = _match(adata, genes, {"gene_id": ids, "symbol": found["gene"].tolist()})
    if not columns:
        raise MeasurementError(
            f"{_source(adata)}: no gene in common with the model; the file has names such as "
            f"{', '.join(adata.var_names[:3])}, but the model expects names such as "
            f"{', '.join(genes[:3])}."
        )
    common = [gene for gene in genes if gene in columns]
    taken = [columns[gene][0] for gene in common]
    matched = pd.DataFrame(
        {
            "gene": common,
            "measured_as": adata.var_names[taken].tolist(),
            "how": [columns[gene][1] for gene in common],
        }
    )
    selected = adata[:, taken].copy()
    selected.var["measured_as"] = matched["measured_as"].to_numpy(dtype=object)
    selected.var_names = pd.Index(common, dtype=object)
    missing = [gene for gene in genes if gene not in columns]
    return selected, PanelMatch(matched, missing, adata.n_vars - len(common))


def _match(
    adata: AnnData, genes: list[str], keys: dict[str, list[str]]
) -> dict[str, tuple[int, str]]:
    """Return panel gene -> (measured column, how); each column is used once."""
    names = adata.var_names.astype(str).tolist()
    # `read_measured` has already reconciled the names
    known = adata.var if {"gene", "gene_id"} <= set(adata.var) else reconcile_genes(names)
    measured = {
        "name": names,
        "gene_id": known["gene_id"].astype(str).tolist(),
        "symbol": known["gene"].astype(str).tolist(),
    }
    columns: dict[str, tuple[int, str]] = {}
    used: set[int] = set()
    # all genes by one kind of name first, so that no alias takes the column of a namesake
    for how, wanted in {"name": genes, **keys}.items():
        column_of = {key: i for i, key in enumerate(measured[how]) if key != NO_ID}
        for gene, key in zip(genes, wanted, strict=True):
            column = column_of.get(key)
            if gene not in columns and column is not None and column not in used:
                columns[gene] = (column, how)
                used.add(column)
    return columns


def _source(adata: AnnData) -> str:
    return str(adata.uns.get("histospace", {}).get("source", "The measurement"))
