"""The genes of an adaptation, and the parts of its fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from builders.cohorts import N_GENES, make_section
from builders.packages import make_package

from histospace_core.training.adapt_fit import AdaptPanels, towards, with_genes


def test_the_genes_of_the_model_come_first_and_those_not_counted_are_left_out() -> None:
    measured = make_section("A1", "A").measured
    table = pd.DataFrame({"gene": ["G05", "ABSENT", "G01"], "gene_id": ["a", "b", "c"]})
    panels = AdaptPanels.of(table, measured)
    assert panels.model.genes == ("G05", "G01")
    assert panels.model.gene_ids == ("a", "c")
    assert panels.columns.tolist() == [0, 2]
    assert panels.n_not_counted == 1
    assert panels.learnt.genes[:3] == ("G05", "G01", "G00")
    assert len(panels.learnt) == N_GENES


def test_a_network_with_some_of_its_genes(tmp_path) -> None:
    network, _ = make_package(tmp_path, plus=True).load()
    columns = np.array([4, 1])
    codes = torch.randn(3, network.n_programmes)
    some = with_genes(network, columns)
    torch.testing.assert_close(some.expression(codes), network.expression(codes)[:, columns])


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_programmes_move_towards_those_of_the_model(share: float) -> None:
    rng = np.random.default_rng(0)
    model = rng.normal(size=(3, 10))
    model[2] = model[0]  # a model of few spots may repeat itself
    inside, own = rng.normal(size=(4, 3)) @ model, rng.normal(size=(4, 10))
    own -= own @ np.linalg.pinv(model) @ model
    moved = towards((inside + own).astype(np.float32), model.astype(np.float32), share)
    np.testing.assert_allclose(moved, inside + (1 - share) * own, atol=1e-5)
