"""A real, small, untrained model package for tests of what is done with packages."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from histospace_core.networks import GENE_COLUMNS, Domain, HistoSPACE, ModelPackage, save_package

GENES = ("ERBB2", "COL1A1", "CD74", "ADIPOQ", "KRT19")


def make_package(folder: Path, name: str = "small", genes: tuple[str, ...] = GENES) -> ModelPackage:
    """Save an untrained network over a few genes as a package."""
    torch.manual_seed(0)
    network = HistoSPACE(len(genes))
    network.mean_profile.copy_(torch.linspace(0.1, 1.0, len(genes)))
    table = pd.DataFrame(
        [(g, "", 0.1 * i, 0.0, 0.3, 0.95, i > 1) for i, g in enumerate(genes)],
        columns=list(GENE_COLUMNS),
    )
    features = np.random.default_rng(0).gamma(2.0, 0.3, (200, 128))
    config = {
        "network": "histospace",
        "arguments": {"n_genes": len(genes)},
        "tile_px": 128,
        "um_per_px": 0.69,
        "expression_unit": "log10_cp10k",
        "training_sections": [{"section": "T1", "patient": "T", "n_spots": 10}],
        "metrics": {
            "n_genes": len(genes),
            "n_genes_reliable": 3,
            "per_gene_pearson": 0.2,
            "mse_ratio_to_mean": 0.95,
            "held_out_by": "patient",
        },
    }
    domain = Domain.fit(features)
    return save_package(folder / name, network, domain, config, table, f"# {name}\n")
