r"""Both ends of the noise ceiling on the sections of a cohort, and what predictions reach of it.

The genes are those of the evaluation: named, and non-zero in more than half of the spots of the
other sections. "high at one rate" is the upper end on simulated counts of the real depths in which
each gene has one rate at every spot: what chance and the depth leave. A folder that
`histospace evaluate` wrote adds r and r given the depth of its held-out sections, over its panel.

    python benchmarks/ceiling.py her2st.csv
    python benchmarks/ceiling.py her2st.csv --evaluations UNSEEN_PATIENT UNSEEN_SECTION
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from histospace_core.evaluation import noise_ceiling, per_gene_pearson
from histospace_core.evaluation.array_scores import finite_mean
from histospace_core.expression import read_measured
from histospace_core.training import read_cohort
from histospace_core.training.held_out_file import load_held_out
from histospace_core.training.panel import select_panel


def bracket(table: Path) -> pd.DataFrame:
    """Return one row per section: both ends, mean over genes, and the upper end at one rate."""
    data = {s.name: read_measured(s.counts, s.spots) for s in read_cohort(table)}
    rows = []
    for name, measured in data.items():
        panel = select_panel([other for key, other in data.items() if key != name])
        library = measured.obs["total_counts"].to_numpy(np.float64)
        counts = panel.counts(measured)
        counts = counts[:, np.flatnonzero(counts.sum(0))]
        centres = measured.obsm["spatial"]
        ceiling = noise_ceiling(counts, library, centres)
        rates = counts.sum(0) / library.sum()
        flat = np.random.default_rng(0).poisson(library[:, None] * rates)
        chance = noise_ceiling(sparse.csr_array(flat), library, centres)
        rows.append(
            {
                "section": name,
                "spots": measured.n_obs,
                "UMI per spot, median": np.median(library),
                "genes": int(np.isfinite(ceiling.high).sum()),
                "low": finite_mean(ceiling.low),
                "high": finite_mean(ceiling.high),
                "high at one rate": finite_mean(chance.high),
            }
        )
    return pd.DataFrame(rows)


def reached(folder: Path) -> pd.DataFrame:
    """Return one row per held-out section of an evaluation."""
    rows = []
    for file in sorted((folder / "folds").glob("*-seed*.npz")):
        held = load_held_out(file)
        assert held.depth is not None
        ceiling = held.noise_ceiling()
        log_depth = np.log10(np.maximum(held.depth, 1))[:, None]
        of_depth = per_gene_pearson(held.measured, np.broadcast_to(log_depth, held.measured.shape))
        rows.append(
            {
                "evaluation": folder.name,
                "section": file.stem,
                "genes": len(held.genes),
                "r": finite_mean(per_gene_pearson(held.measured, held.predicted)),
                "|r| of log depth": finite_mean(np.abs(of_depth)),
                "r given depth": finite_mean(held.pearson_given_depth()),
                "low": finite_mean(ceiling.low),
                "high": finite_mean(ceiling.high),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--evaluations", type=Path, nargs="+", default=())
    options = parser.parse_args()
    print(bracket(options.cohort).round(3).to_string(index=False))
    for folder in options.evaluations:
        print(reached(folder).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
