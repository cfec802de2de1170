"""Count false discoveries of markers on noise that is smooth in space and has no regions.

The first table shows, for each kind of region and each smoothness, the share of genes called at
q < 0.1, averaged over tissues, for the naive t-test, permutation of blocks, and HistoSPACE (the
region moved elsewhere by shift, rotation and reflection). Every gene is noise, so every call is
false. The second table shows the share called among genes that differ, a tenth of all (power).
The last two show what happens if the regions are domains found with the genes that are then tested:
on independent genes, and on genes that mix a few factors, as predicted genes do.

    python benchmarks/markers.py [--tissues 6] [--genes 200]
"""

import argparse
import warnings

import numpy as np
from anndata import AnnData
from scipy import ndimage, stats
from scipy.spatial import cKDTree

from histospace_core.characterise import find_domains, find_markers
from histospace_core.errors import MeasurementError
from histospace_core.evaluation import q_values

SIDE = 30
SMOOTHNESS = (0.01, 1, 2, 4)
FIRST = 100
"""Seed of the first tissue. Seeds 0 to 7 served to choose the weight of a placement."""
REGIONS = ("half", "disc", "nests", "smooth field")
PLACES = np.argwhere(np.ones((SIDE, SIDE)))[:, ::-1].astype(float)
TISSUE = np.hypot(PLACES[:, 0] - 14.5, (PLACES[:, 1] - 14.5) * 1.1) < 14.8


def noise(rng: np.random.Generator, n: int, sigma: float) -> np.ndarray:
    """Return independent maps (spots, n) of unit variance, smooth over `sigma` spots."""
    wide = rng.normal(size=(n, 3 * SIDE, 3 * SIDE))
    maps = ndimage.gaussian_filter(wide, (0, sigma, sigma))[:, SIDE : 2 * SIDE, SIDE : 2 * SIDE]
    return (maps / maps.std()).reshape(n, -1).T[TISSUE]


def region(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return a region (spots,) that is independent of all genes."""
    if kind == "half":
        angle = rng.uniform(0, 2 * np.pi)
        inside = (PLACES - 14.5) @ [np.cos(angle), np.sin(angle)] > rng.uniform(-4, 4)
    elif kind == "disc":
        inside = ((PLACES - rng.uniform(8, 22, 2)) ** 2).sum(1) < rng.uniform(4, 7) ** 2
    elif kind == "nests":
        inside = np.zeros(len(PLACES), bool)
        for _ in range(6):
            near = ((PLACES - rng.uniform(2, 27, 2)) ** 2).sum(1) < rng.uniform(1.5, 3.5) ** 2
            inside |= near
    else:
        values = noise(rng, 1, 3)[:, 0]
        return values > np.quantile(values, 0.6)
    return inside[TISSUE]


def naive(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return stats.ttest_ind(values[inside], values[~inside]).pvalue


def blocks(
    values: np.ndarray, inside: np.ndarray, rng: np.random.Generator, width: int = 6
) -> np.ndarray:
    """Return p-values from 199 permutations of the labels in blocks of `width` spots."""
    places = PLACES[TISSUE]
    tree = cKDTree(places)
    centred = values - values.mean(0)

    def difference(chosen: np.ndarray) -> np.ndarray:
        return (chosen / chosen.sum() - ~chosen / (~chosen).sum()) @ centred

    squares = np.zeros(values.shape[1])
    for _ in range(199):
        cell = np.floor((places + rng.uniform(0, width, 2)) / width)
        block, member = np.unique(cell, axis=0, return_inverse=True)
        source = places + (block[rng.permutation(len(block))][member] - cell) * width
        squares += difference(inside[tree.query(source)[1]]) ** 2
    return 2 * stats.norm.sf(np.abs(difference(inside)) / np.sqrt(squares / 199))


def ours(values: np.ndarray, inside: np.ndarray, seed: int) -> np.ndarray:
    """Return q-values of the region against the rest, in the order of the genes."""
    table = AnnData(values, obsm={"spatial": PLACES[TISSUE]})
    found = find_markers(table, np.where(inside, "in", "out"), versus="out", seed=seed).table
    return found.set_index("gene").loc[table.var_names, "q_value"].to_numpy()


def false_calls(tissues: int, n_genes: int, effect: float = 0.0) -> None:
    n_true = n_genes // 10 if effect else 0
    header = "false calls" if not effect else f"calls among the tenth that differ by {effect} SD"
    print(f"\n{header}, share of genes at q < 0.1; columns: smooth over", *SMOOTHNESS, "spots")
    for kind in REGIONS:
        share: dict[str, list[list[float]]] = {"naive": [], "blocks": [], "HistoSPACE": []}
        for tissue in range(FIRST, FIRST + tissues):
            called: dict[str, list[float]] = {name: [] for name in share}
            for sigma in SMOOTHNESS:
                rng = np.random.default_rng([tissue, int(10 * sigma), len(kind)])
                inside = region(rng, kind)
                values = noise(rng, n_genes, sigma)
                values[:, :n_true] += effect * inside[:, None]
                q = {
                    "naive": q_values(naive(values, inside)),
                    "blocks": q_values(blocks(values, inside, rng)),
                    "HistoSPACE": ours(values, inside, tissue),
                }
                for name, found in q.items():
                    called[name].append((found[: n_true or None] < 0.1).mean())
            for name, shares in called.items():
                share[name].append(shares)
        for name, by_tissue in share.items():
            print(f"  {kind:13s} {name:11s}", *(f"{v:6.3f}" for v in np.mean(by_tissue, axis=0)))


def used_twice(tissues: int, n_genes: int) -> None:
    """Test domains on the same noise that they were found on."""
    print("\nregions found on the same noise (genes used twice), share of rows at q < 0.1")
    for sigma in SMOOTHNESS:
        share, naive_share = [], []
        for tissue in range(FIRST, FIRST + tissues):
            rng = np.random.default_rng([tissue, int(10 * sigma)])
            values = noise(rng, n_genes, sigma)
            table = AnnData(values, obsm={"spatial": PLACES[TISSUE]})
            domains = find_domains(table, seed=tissue).best
            try:
                found = find_markers(table, domains, seed=tissue).table
            except MeasurementError:  # a single domain leaves nothing to test
                share.append(0.0)
                naive_share.append(0.0)
                continue
            share.append((found["q_value"] < 0.1).mean())
            p = np.concatenate([naive(values, domains == d) for d in set(domains)])
            naive_share.append((q_values(p) < 0.1).mean())
        print(f"  smooth over {sigma:4}: naive {np.mean(naive_share):.3f}, "
              f"HistoSPACE {np.mean(share):.3f}")  # fmt: skip


def few_causes(tissues: int, n_genes: int) -> None:
    """Test genes that mix twelve maps of noise, the first much the largest, as predictions do."""
    print("\ngenes of twelve factors: independent regions, then domains found on them; q < 0.1")
    for sigma in SMOOTHNESS[1:]:
        independent, own = [], []
        for tissue in range(FIRST, FIRST + tissues):
            rng = np.random.default_rng([tissue, int(10 * sigma), 12])
            causes = noise(rng, 12, sigma) * np.geomspace(4, 0.2, 12)
            values = causes @ rng.normal(size=(12, n_genes))
            values += 0.05 * rng.normal(size=values.shape)
            inside = region(rng, REGIONS[tissue % len(REGIONS)])
            independent.append((ours(values, inside, tissue) < 0.1).mean())
            table = AnnData(values, obsm={"spatial": PLACES[TISSUE]})
            domains = find_domains(table, seed=tissue, n_resamples=2).best
            if domains.max() > 0:
                found = find_markers(table, domains, seed=tissue).table
                own.append((found["q_value"] < 0.1).mean())
        print(f"  smooth over {sigma}: independent {np.mean(independent):.3f}, "
              f"own domains {np.mean(own):.3f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tissues", type=int, default=6)
    parser.add_argument("--genes", type=int, default=200)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    false_calls(given.tissues, given.genes)
    false_calls(given.tissues, given.genes, effect=1.0)
    used_twice(given.tissues, given.genes)
    few_causes(given.tissues, given.genes)


if __name__ == "__main__":
    main()
