"""Measure time and memory of domains and markers on 100,000 tiles x 1,000 genes.

The tissue has 316 x 317 tiles and eight programmes, smooth over 12 to 60 tiles. The expression of
1,000 genes mixes these programmes and noise. It is as smooth as a predicted map and has no borders,
which is the hardest case for clustering. The memory includes 0.4 GB for the table itself.

    OMP_NUM_THREADS=1 python benchmarks/characterise_scale.py [--tiles 100000] [--genes 1000]
"""

import argparse
import resource
import time

import numpy as np
from anndata import AnnData
from scipy import ndimage

from histospace_core.characterise import find_domains, find_markers


def tissue(n_tiles: int, n_genes: int) -> AnnData:
    rng = np.random.default_rng(0)
    width = int(np.ceil(n_tiles**0.5))
    programmes = np.stack(
        [
            ndimage.gaussian_filter(rng.normal(size=(width, width)), sigma).ravel()[:n_tiles]
            for sigma in (12, 12, 20, 20, 30, 30, 60, 60)
        ],
        axis=1,
    )
    programmes = np.tanh(2 * programmes / programmes.std(0))
    values = (programmes @ rng.normal(0, 0.2, (8, n_genes))).astype(np.float32)
    values += rng.normal(0, 0.1, values.shape).astype(np.float32)
    centres = np.argwhere(np.ones((width, width)))[:n_tiles, ::-1] * 128.0
    return AnnData(values, obsm={"spatial": centres})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=1000)
    given = parser.parse_args()
    table = tissue(given.tiles, given.genes)
    started, cpu = time.perf_counter(), time.process_time()
    domains = find_domains(table)
    found, cpu_found = time.perf_counter(), time.process_time()
    levels = ", ".join(
        f"{n} at {r:g} (stability {s:.2f})"
        for n, r, s in zip(domains.n_domains, domains.resolutions, domains.stability, strict=True)
    )
    print(f"domains: {found - started:.1f} s, processor time {cpu_found - cpu:.1f} s; {levels}")
    markers = find_markers(table, domains.best)
    wall, cpu = time.perf_counter() - found, time.process_time() - cpu_found
    print(f"markers: {wall:.1f} s, processor time {cpu:.1f} s; {len(markers.table):,} rows")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {peak:.2f} GB, {given.tiles:,} tiles x {given.genes:,} genes")


if __name__ == "__main__":
    main()
