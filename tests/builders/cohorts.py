"""Small sections whose expression can be read off the tile: for tests of training."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from histospace_core.training import Section, SectionData

N_GENES = 12


def make_section(name: str, patient: str, n: int = 8, seed: int = 0) -> SectionData:
    """Half of the tiles dark and rich in the first genes, half pale and rich in the last."""
    rng = np.random.default_rng([seed, *name.encode()])
    dark = np.arange(n) % 2 == 0
    base = np.where(dark, 70, 190)[:, None, None, None]
    tiles = np.clip(base + rng.normal(0, 20, (n, 128, 128, 3)), 0, 255).astype(np.uint8)
    rates = np.where(dark[:, None] == (np.arange(N_GENES) < N_GENES // 2), 60.0, 6.0)
    counts = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
    measured = anndata.AnnData(
        counts,
        obs=pd.DataFrame(index=[f"{name}-{i}" for i in range(n)]),
        var=pd.DataFrame({"gene_id": ""}, index=[f"G{i:02d}" for i in range(N_GENES)]),
        obsm={"spatial": np.column_stack([np.arange(n) * 300.0, np.zeros(n)]) + 200},
    )
    file = Path(f"{name}.png")
    return SectionData(Section(name, patient, file, file, None, 0.69), (tiles,), measured)
