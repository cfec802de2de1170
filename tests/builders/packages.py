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
from histospace_core.training.histospace_plus import load_lite0

LEVEL = 1.5
"""log10 counts per 10,000 that a package with intervals expects of each gene."""
GENES = ("ERBB2", "COL1A1", "CD74", "ADIPOQ", "KRT19")


def make_package(
    folder: Path,
    name: str = "small",
    genes: tuple[str, ...] = GENES,
    plus: bool = False,
    intervals: bool = False,
    profile: np.ndarray | None = None,
    pretrained: bool = False,
) -> ModelPackage:
    """Save an untrained network over a few genes as a package; `plus` is HistoSPACE+.

    With `intervals`, it states the distribution of levels and spots of all genes but the last.
    `profile` is the mean profile, 0.1 to 1.0 by default. If `pretrained`, the trunk of HistoSPACE+
    has its real weights: one of random weights may hardly see what is on a slide.
    """
    torch.manual_seed(0)
    network = HistoSPACEPlus(len(genes), 3) if plus else HistoSPACE(len(genes))
    if isinstance(network, HistoSPACEPlus):
        network.programmes.normal_(0, 0.1)
        if pretrained:
            load_lite0(network.lite0)
    profile = np.linspace(0.1, 1.0, len(genes)) if profile is None else profile
    network.mean_profile.copy_(torch.from_numpy(profile))
    table = pd.DataFrame(
        [(g, "", 0.1 * i, 0.0, 0.3, 0.95, i > 1) for i, g in enumerate(genes)],
        columns=list(GENE_COLUMNS),
    )
    interval = {}
    if intervals:
        known = np.where(np.arange(len(genes)) < len(genes) - 1, 1.0, np.nan)
        table["level_log10_cp10k"] = LEVEL * known
        table["level_sd"], table["spot_sd"] = 0.15 * known, 0.2 * known
        table["map_slope"], table["map_slope_sd"] = 0.5, 0.1
        table["confirmed_scale"] = "200 um"
        interval = {
            "level": 0.9,
            "level_df": 8.0,
            "depths": [2_000.0, 20_000.0],
            "n_patients": 7,
            "promise": "A measurement of a new patient lies in the 90% interval.",
            "autocorrelation": {"share": 0.8, "range_um": 300.0},
            "measured_coverage": {"T1": 0.88},
            "sections": {"T1": {"coverage": 0.88, "width": 0.5, "by_depth": [0.9, 0.85]}},
            "width": 0.5,
            "calibration": [[0.5, 0.55], [0.9, 0.88]],
            "level_coverage": {"T": 0.91},
        }
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
            **({"interval": interval} if intervals else {}),
        },
    }
    domain = Domain.fit(features)
    return save_package(folder / name, network, domain, config, table, f"# {name}\n")
