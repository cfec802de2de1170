"""Compare tissue domains with annotated layers: HistoSPACE, plain Leiden, scanpy, squidpy.

Every method gets the same spots and the same runs: resolutions 0.2 to 1.9 in steps of 0.1, seeds
0 to 2. The table shows three adjusted Rand indices for each method: the average over the runs
whose number of domains is nearest to the annotated one, the best run (chosen with the labels, so
an upper bound), and the average over the runs with K - 1 to K + 2 domains. scanpy and squidpy are
not dependencies of HistoSPACE. If they are not installed, their rows have no figures, and a line
says so.

We chose the genes, the three views of our graph and their weights on Rep9 and on simulated tissue
of seeds 1 and 2, so Rep9 is not an independent test. The simulated tissues below have other
seeds.

    python benchmarks/domains.py ../shared/mouse_olfactory_bulb [--subsamples 50]
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise import find_domains
from histospace_core.characterise.domains import leiden
from histospace_core.characterise.expression import log_expression, variable_genes
from histospace_core.characterise.graph import components, expression_neighbours, joint_graph
from histospace_core.expression import read_measured

RESOLUTIONS = np.round(np.arange(0.2, 2.0, 0.1), 1)
SEEDS = range(3)
COLUMNS = ["ARI at K", "best", "K-1 to K+2"]
Runs = Iterator[np.ndarray]


def profile(table: AnnData) -> np.ndarray:
    expression, _ = log_expression(table)
    return components(expression[:, variable_genes(expression)])


def ours(table: AnnData) -> Runs:
    graph = joint_graph(profile(table), table.obsm["spatial"])
    yield from (leiden(graph, r, s) for r in RESOLUTIONS for s in SEEDS)


def plain(table: AnnData) -> Runs:
    """Cluster expression alone: our components and our Leiden, without positions."""
    graph = expression_neighbours(profile(table), 15)
    yield from (leiden(graph, r, s) for r in RESOLUTIONS for s in SEEDS)


def scanpy_graph(table: AnnData) -> AnnData:
    import scanpy as sc

    made = table.copy()
    sc.pp.filter_genes(made, min_cells=max(1, made.n_obs // 10))
    sc.pp.normalize_total(made, target_sum=1e4)
    sc.pp.log1p(made)
    sc.pp.highly_variable_genes(made, n_top_genes=min(2000, made.n_vars))
    sc.pp.pca(made, n_comps=30)
    sc.pp.neighbors(made, n_neighbors=15)
    return made


def scanpy_leiden(made: AnnData, graph: sparse.spmatrix) -> Runs:
    import scanpy as sc

    for r in RESOLUTIONS:
        for s in SEEDS:
            sc.tl.leiden(made, resolution=r, random_state=s, adjacency=graph, flavor="igraph",
                         n_iterations=2, directed=False)  # fmt: skip
            yield made.obs["leiden"].astype(int).to_numpy()


def scanpy_way(table: AnnData) -> Runs:
    made = scanpy_graph(table)
    yield from scanpy_leiden(made, made.obsp["connectivities"])


def squidpy_way(table: AnnData) -> Runs:
    """Cluster the usual sum in squidpy: 0.8 of the expression graph, 0.2 of the spatial graph."""
    import squidpy as sq

    made = scanpy_graph(table)
    sq.gr.spatial_neighbors(made, coord_type="grid", n_neighs=8)
    joint = 0.8 * made.obsp["connectivities"] + 0.2 * made.obsp["spatial_connectivities"]
    yield from scanpy_leiden(made, joint)


METHODS: dict[str, Callable[[AnnData], Runs]] = {
    "HistoSPACE": ours,
    "plain Leiden": plain,
    "scanpy": scanpy_way,
    "squidpy": squidpy_way,
}


def olfactory_bulb(folder: Path) -> tuple[AnnData, np.ndarray]:
    """Return the spots of Rep9 and the layer of each; -1 if none is annotated."""
    table = read_measured(folder / "Rep9.tsv.gz", folder / "Rep9_selection.tsv")
    layers = pd.read_csv(folder / "Rep9_annotations.tsv", sep="\t", index_col=0)
    layers.columns = layers.columns.str.replace("_", "x")
    chosen = layers.loc[:, table.obs_names].to_numpy()
    return table, np.where(chosen.sum(0) == 1, chosen.argmax(0), -1)


def simulated(seed: int, layout: str, depth: int, effect: float) -> tuple[AnnData, np.ndarray]:
    """Simulate counts of 1,500 genes on 25 x 25 spots, with nests on a background or nested rings.

    A tenth of the genes differ between regions by a log-normal factor of twice `effect`. Three
    programmes vary from spot to spot, independently of the regions.
    """
    rng = np.random.default_rng(seed)
    side, n_genes = 25, 1500
    places = np.argwhere(np.ones((side, side)))[:, ::-1].astype(float)
    region = np.zeros(side * side, int)
    if layout == "nests":
        for label in (1, 1, 1, 1, 2, 2, 2, 2):
            centre, radius = rng.uniform(2, side - 2, 2), rng.uniform(1.5, 3.5)
            region[((places - centre) ** 2).sum(1) < radius**2] = label
        region[places[:, 0] > side - 5] = 3
    else:
        reach = np.hypot(places[:, 0] - 12, (places[:, 1] - 12) * 1.3)
        region = np.digitize(reach, [4, 6, 9, 10.5])
    shape = (region.max() + 1, n_genes)
    factor = np.exp(rng.normal(0, 2 * effect, shape) * (rng.random(shape) < 0.1))
    rate = rng.gamma(0.4, 1, n_genes) * factor[region]
    rate *= np.exp(rng.normal(size=(side * side, 3)) @ rng.normal(0, 0.15, (3, n_genes)))
    rate *= depth * np.exp(rng.normal(0, 0.3, (side * side, 1))) / rate.sum(1, keepdims=True)
    table = AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.obsm["spatial"] = places * 100
    table.obs["total_counts"] = np.asarray(table.X.sum(1)).ravel().astype(float)
    return table, region


def scores(runs: Runs, truth: np.ndarray) -> tuple[float, float, float]:
    known = truth >= 0
    k = len(set(truth[known]))
    found = list(runs)
    ari = np.array([adjusted_rand_score(truth[known], labels[known]) for labels in found])
    number = np.array([len(set(labels)) for labels in found])
    nearest = np.abs(number - k) == np.abs(number - k).min()
    window = (number >= k - 1) & (number <= k + 2)
    return ari[nearest].mean(), ari.max(), ari[window].mean() if window.any() else np.nan


def subsampled(table: AnnData, truth: np.ndarray, number: int) -> None:
    """Estimate the noise of our score minus that of squidpy on random 80 % of the spots."""
    differences = []
    for seed in range(number):
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.choice(table.n_obs, int(0.8 * table.n_obs), replace=False))
        part = table[drawn].copy()
        ari = [scores(method(part), truth[drawn]) for method in (ours, squidpy_way)]
        differences.append(np.array(ari[0]) - np.array(ari[1]))
    found = pd.DataFrame(differences, columns=COLUMNS)
    print(f"HistoSPACE minus squidpy on {number} subsamples of 80 % of the spots")
    print(found.describe(percentiles=[0.025, 0.975]).loc[["mean", "2.5%", "97.5%"]].round(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subsamples", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table, truth = olfactory_bulb(given.folder)
    if given.subsamples:
        subsampled(table, truth, given.subsamples)
        return
    print("olfactory bulb Rep9, measured", compare(table, truth).to_string(), sep="\n", flush=True)
    for layout, depth, effect in (("nests", 1000, 0.2), ("rings", 2000, 0.25)):
        made = [compare(*simulated(seed, layout, depth, effect)) for seed in (10, 11, 12)]
        mean = sum(made[1:], made[0]) / len(made)
        print(f"{layout}, {depth} counts a spot, effect {effect}, mean of 3 tissues")
        print(mean.round(3).to_string(), flush=True)


def compare(table: AnnData, truth: np.ndarray) -> pd.DataFrame:
    """Return one row for each method, without figures if its library is not installed."""
    rows = {}
    for name, method in METHODS.items():
        try:
            rows[name] = scores(method(table), truth)
        except ModuleNotFoundError as missing:
            print(f"{name}: no figures, because {missing.name} is not installed")
            rows[name] = (np.nan,) * 3
    known, domains = truth >= 0, find_domains(table)
    alone = adjusted_rand_score(truth[known], domains.best[known])
    rows["HistoSPACE, the level it chooses"] = (alone, np.nan, np.nan)
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).round(3)


if __name__ == "__main__":
    main()
