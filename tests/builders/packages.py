"""A real, small, untrained model package for tests of what is done with packages."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from histospace_core.networks import (
    GENE_COLUMNS,
    Domain,
    HistoSPACE,
    HistoSPACEPlus,
    ModelPackage,
    save_package,
)
from histospace_core.networks.histospace_plus import PLUS_VIEWS

GENES = ("ERBB2", "COL1A1", "CD74", "ADIPOQ", "KRT19")


def make_package(
    folder: Path, name: str = "small", genes: tuple[str, ...] = GENES, plus: bool = False
) -> ModelPackage:
    """Save an untrained network over a few genes as a package; `plus` is HistoSPACE+."""
    torch.manual_seed(0)
    network = HistoSPACEPlus(len(genes), 3) if plus else HistoSPACE(len(genes))
    if isinstance(network, HistoSPACEPlus):
        network.programmes.normal_(0, 0.1)
    network.mean_profile.copy_(torch.linspace(0.1, 1.0, len(genes)))
    table = pd.DataFrame(
        [(g, "", 0.1 * i, 0.0, 0.3, 0.95, i > 1) for i, g in enumerate(genes)],
        columns=list(GENE_COLUMNS),
    )
    features = np.random.default_rng(0).gamma(2.0, 0.3, (200, 48 if plus else 128))
    config = {
        "network": "histospace-plus" if plus else "histospace",
        "arguments": {"n_genes": len(genes)} | ({"n_programmes": 3} if plus else {}),
        "tile_px": PLUS_VIEWS[0].px if plus else 128,
        "um_per_px": PLUS_VIEWS[0].um_per_px if plus else 0.69,
        "context": [asdict(view) for view in PLUS_VIEWS[1:]] if plus else [],
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
