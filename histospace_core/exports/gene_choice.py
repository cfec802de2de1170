"""The genes of an export: those that the user names, or the best ones."""

from collections.abc import Sequence

from histospace_core.errors import StoreError
from histospace_core.inference import Prediction


def best_genes(prediction: Prediction, n: int) -> list[str]:
    """Return the `n` genes with the best held-out scores: reliable ones first, then by r."""
    order = ["reliable", "held_out_pearson"]
    # stable, so that genes with equal scores are always chosen alike
    ranked = prediction.var.sort_values(order, ascending=False, na_position="last", kind="stable")
    return [str(gene) for gene in ranked.index[:n]]


def require_genes(prediction: Prediction, genes: Sequence[str]) -> list[str]:
    """Check that a run has these genes; return them in the same order, without duplicates.

    Raises
    ------
    StoreError
        The run does not have one of them.
    """
    unknown = sorted(set(genes) - set(prediction.genes))
    if unknown:
        raise StoreError(
            f"This run has no gene {', '.join(unknown[:5])}; its model predicts "
            f"{len(prediction.genes):,} genes, listed in genes.csv of the model."
        )
    return list(dict.fromkeys(genes))
