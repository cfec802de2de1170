"""Coverage of the 90 % intervals on patients and sections that nothing was learnt from.

    histospace evaluate her2st.csv --network histospace-plus --out patients
    histospace evaluate C.csv --network histospace-plus --folds section --out sections
    python benchmarks/coverage.py her2st.csv --levels counts.csv \
        --patients patients --sections sections

Prints, for each held-out section, coverage and mean width (log10 CP10k) of the measurement
interval, by quarter of depth and of domain score; the same with its counts thinned to other depths;
the coverage of the level interval for each patient left out; the coverage of the intervals of
random regions; and how often the directions of regions that are claimed, and the scales of maps
that are called confirmed, turn out wrong.

A direction can be checked only where counting noise is small, because a noisy measurement points
anywhere. So wrong directions are counted twice: over all claims, and over those whose measured
difference has a counting error below 0.03 (log10).
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import sparse

from histospace_core.evaluation import HeldOut
from histospace_core.expression import normalise
from histospace_core.training import read_cohort
from histospace_core.training.cohort import load_sections
from histospace_core.training.held_out_file import load_held_out
from histospace_core.training.patient_levels import levels_of, read_levels
from histospace_core.uncertainty import (
    MOST_WRONG,
    PROMISED,
    SCALES,
    Evidence,
    Predictive,
    Region,
    level_coverage,
    measure_coverage,
)
from histospace_core.uncertainty.fitted import held_out_map

UNIT = "log10_cp10k"
DEPTHS = (650, 2_000, 5_000)
N_REGIONS = 50
LITTLE_NOISE = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--levels", type=Path, required=True)
    parser.add_argument("--patients", type=Path, required=True, help="evaluation by patient")
    parser.add_argument("--sections", type=Path, required=True, help="evaluation by section")
    parser.add_argument("--seed", type=int, default=0, help="of the networks that were evaluated")
    arguments = parser.parse_args()
    data = load_sections(read_cohort(arguments.cohort), ())
    levels = levels_of(data.values(), read_levels(arguments.levels))
    sizes = {name: section.section.mpp for name, section in data.items()}
    patients, sections = (
        held_out(folder, arguments.seed, sizes)
        for folder in (arguments.patients, arguments.sections)
    )
    print("| section | intervals | coverage | width | by depth | by domain |")
    print("|---|---|---|---|---|---|")
    new = Evidence(patients, levels, UNIT)
    fitted_new = [new.fit_without(held) for held in patients]
    for held, predictive in zip(patients, fitted_new, strict=True):
        row(held, "new patient", predictive)
    known = Evidence(sections, levels, UNIT, "section")
    fitted = [known.fit_without(held) for held in sections]
    for held, predictive in zip(sections, fitted, strict=True):
        row(held, "known patient", predictive)
    for held, predictive in zip(sections, fitted, strict=True):
        for depth in DEPTHS:
            row(thinned(held, depth), f"known patient, {depth} UMI", predictive)
    print("\n| patient left out | coverage of its levels |\n|---|---|")
    shares = level_coverage(levels.of(patients[0].genes), PROMISED)
    for patient, share in {**shares, "mean": float(np.mean(list(shares.values())))}.items():
        print(f"| {patient} | {share:.3f} |")
    print(
        "\n| section | intervals | regions covered, lowest | width | directions claimed, a region |"
    )
    print("|---|---|---|---|---|")
    claims = [
        regions(held, "new patient", predictive)
        for held, predictive in zip(patients, fitted_new, strict=True)
    ]
    print_wrong(claims)
    claims = [
        regions(held, "known patient", predictive)
        for held, predictive in zip(sections, fitted, strict=True)
    ]
    print_wrong(claims)
    print("\n| section | scale | genes confirmed | slope of the detail | of the other genes |")
    print("|---|---|---|---|---|")
    for held, predictive in zip([*patients, *sections], [*fitted_new, *fitted], strict=True):
        scales(held, predictive)


def held_out(folder: Path, seed: int, um_per_px: Mapping[str, float | None]) -> list[HeldOut]:
    files = sorted((folder / "folds").glob(f"*-seed{seed}.npz"))
    found = [load_held_out(file) for file in files]
    return [replace(held, um_per_px=um_per_px[held.section]) for held in found]


def row(held: HeldOut, intervals: str, predictive: Predictive | None) -> None:
    assert predictive is not None
    found = measure_coverage(predictive, held, PROMISED)
    depth, domain = (" ".join(f"{s:.3f}" for s in q) for q in (found.by_depth, found.by_domain))
    print(
        f"| {held.section} | {intervals} | {found.share:.3f} | {found.width:.2f} | {depth} "
        f"| {domain} |"
    )


def regions(held: HeldOut, intervals: str, predictive: Predictive | None) -> np.ndarray:
    """Print how regions are covered; return claims, wrong, and both where noise is small."""
    assert predictive is not None
    assert held.counts is not None
    assert held.um_per_px is not None
    xy, counts, depth = held.centres * held.um_per_px, held.counts.toarray(), held.depths
    covered, width, tally = [], [], []
    rates = predictive.rates(held.predicted)
    for inside in random_regions(xy):
        region = Region(inside, ~inside, xy, depth)
        interval = region.interval(predictive, rates, PROMISED)
        one, rest = (counts[part].sum(0) for part in (inside, ~inside))
        measured = np.log10(1 + 1e4 * one / depth[inside].sum())
        known = interval.known[0] & held.counted
        covered.append(float(interval.holds(measured[None], 1e-6)[0][known].mean()))
        width.append(float(interval.width[0][known].mean()))
        contrast = region.contrast(predictive, rates)
        difference = np.log10((one + 0.5) / depth[inside].sum())
        difference -= np.log10((rest + 0.5) / depth[~inside].sum())
        sure = np.sqrt(1 / (one + 0.5) + 1 / (rest + 0.5)) / np.log(10) < LITTLE_NOISE
        claim = known & (contrast.wrong < MOST_WRONG)
        wrong = claim & (np.sign(difference) != np.sign(contrast.log10_ratio))
        tally.append([claim.sum(), wrong.sum(), (claim & sure).sum(), (wrong & sure).sum()])
    print(
        f"| {held.section} | {intervals} | {np.mean(covered):.3f}, {min(covered):.3f} "
        f"| {np.mean(width):.2f} | {np.mean(tally, 0)[0]:.0f} |"
    )
    return np.sum(tally, 0)


def print_wrong(claims: list[np.ndarray]) -> None:
    every, wrong, sure, sure_wrong = np.sum(claims, 0)
    if every:
        print(
            f"| all | {every:,} directions: {wrong / every:.1%} measured otherwise; of {sure:,} "
            f"with little counting noise, {sure_wrong / max(sure, 1):.1%} | | | |"
        )


def random_regions(xy: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ellipses of 8 spots to 40 % of the section."""
    rng = np.random.default_rng(1)
    for _ in range(N_REGIONS):
        size = int(np.exp(rng.uniform(np.log(8), np.log(0.4 * len(xy)))))
        centre, angle = xy[rng.integers(len(xy))], rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        x, y = ((xy - centre) @ turn).T
        near = np.argsort(np.hypot(x, y * rng.uniform(1, 2.5)))[:size]
        yield np.isin(np.arange(len(xy)), near)


def scales(held: HeldOut, predictive: Predictive | None) -> None:
    """Print the measured slope of the finest detail that is called confirmed, and of the others."""
    assert predictive is not None
    assert predictive.maps is not None
    found = held_out_map(held, predictive.counting)
    assert found is not None
    scale = predictive.maps.scale[[held.genes.index(gene) for gene in found.genes]]
    for place, name in enumerate(SCALES[:-1]):
        confirmed = scale == place
        slope, error = found.slope[1 + place], found.error[1 + place]
        known = np.isfinite(slope)
        means = [
            f"{np.average(slope[which], weights=error[which] ** -2):.2f}" if which.any() else "-"
            for which in (confirmed & known, ~confirmed & known)
        ]
        print(f"| {held.section} | {name} | {confirmed.sum():,} | {' | '.join(means)} |")


def thinned(held: HeldOut, depth: float) -> HeldOut:
    """Return the section as if its median spot had been sequenced to `depth` UMI."""
    assert held.counts is not None
    rng = np.random.default_rng(0)
    share = min(1.0, depth / float(np.median(held.depths)))
    counts = sparse.csr_matrix(held.counts).astype(np.int64)
    rest = np.rint(held.depths - np.asarray(counts.sum(1)).ravel()).astype(np.int64)
    counts.data = rng.binomial(counts.data, share)
    library = np.asarray(counts.sum(1)).ravel() + rng.binomial(np.maximum(rest, 0), share)
    whole = sparse.hstack([counts, sparse.csr_matrix((library - counts.sum(1).A1)[:, None])])
    genes = list(range(len(held.genes)))
    return replace(
        held,
        measured=normalise(sparse.csr_matrix(whole), UNIT, genes=genes),
        counts=counts,
        library=library.astype(np.float64),
    )


if __name__ == "__main__":
    main()
