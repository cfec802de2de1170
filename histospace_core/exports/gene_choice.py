"""Which genes an export takes when its user names none."""

from collections.abc import Sequence

from histospace_core.errors import StoreError
from histospace_core.inference import Prediction


def best_genes(prediction: Prediction, n: int) -> list[str]:
    """Return the `n` genes that held-out patients support best: reliable ones first, then by r."""
    order = ["reliable", "held_out_pearson"]
    ranked = prediction.var.sort_values(order, ascending=False, na_position="last", kind="stable")
    return [str(gene) for gene in ranked.index[:n]]


def known_genes(prediction: Prediction, genes: Sequence[str]) -> list[str]:
    """Return `genes`, each once, in their order.

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
