"""The spread of spots around their prediction is found from counts alone."""

import numpy as np
import pytest
from scipy import sparse

from histospace_core.uncertainty import fit_spot_sd, spot_evidence


@pytest.mark.parametrize("true", [0.0, 0.1, 0.3])
def test_the_spread_is_recovered_although_counts_are_few(true: float) -> None:
    rng = np.random.default_rng(0)
    n_spots, n_genes = 400, 60
    depths = rng.lognormal(7.5, 0.6, n_spots)
    predicted = rng.normal(0.8, 0.3, (n_spots, n_genes))
    offset = true * rng.normal(size=predicted.shape) - true**2 * np.log(10) / 2
    level = rng.normal(0, 0.3, n_genes)  # of the section: not a matter of its spots
    counts = rng.poisson(depths[:, None] * 10 ** (predicted + offset + level) / 1e4)
    genes = [f"G{i}" for i in range(n_genes)]
    evidence = spot_evidence("A1", "A", genes, sparse.csr_matrix(counts), depths, predicted)
    found = fit_spot_sd([evidence], genes)
    assert np.median(found) == pytest.approx(true, abs=0.04)


def test_a_gene_without_counts_has_the_spread_of_the_others() -> None:
    rng = np.random.default_rng(1)
    depths = np.full(300, 5_000.0)
    rates = np.full((300, 12), 1.0)
    counts = rng.poisson(
        depths[:, None] * 10 ** (rates + 0.25 * rng.normal(size=rates.shape)) / 1e4
    )
    counts[:, 0] = 0
    genes = [f"G{i}" for i in range(12)]
    evidence = spot_evidence("A1", "A", genes, sparse.csr_matrix(counts), depths, rates)
    found = fit_spot_sd([evidence], [*genes, "elsewhere"])
    assert found[0] == pytest.approx(found[-1])
    assert found[0] == pytest.approx(np.median(found[1:-1]), abs=0.05)
    with pytest.raises(ValueError, match="no section"):
        fit_spot_sd([], genes)
