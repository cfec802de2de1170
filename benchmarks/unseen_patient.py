"""Compare domains, markers and signatures with the measurement on patients never seen in training.

The script reads the output of `histospace evaluate COHORT --folds patient --out DIR`. For each
held-out section, it prints:

- the adjusted Rand index of the predicted domains (the level shown first) with the same number of
  measured domains. Beside it stand the same map moved elsewhere, blocks made from the positions
  alone (k-means), and two halves of the counts compared with each other. The halves estimate what a
  prediction could reach, from below, because they have half the depth;
- whether a domain raises the genes that it is predicted to raise: the correlation over genes of
  predicted effect with measured difference, and that of the same domain moved elsewhere.

For each signature, it prints the held-out correlation over all sections and that of random lists.
All genes of the panel are used, because these same sections determine which genes are reliable.

    python benchmarks/unseen_patient.py DIR
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise import (
    against_measured,
    find_domains,
    find_markers,
    held_out_signatures,
    read_gmt,
)
from histospace_core.characterise.measured import measured_domains
from histospace_core.evaluation import HeldOut
from histospace_core.training.held_out_file import load_held_out


def as_spots(held: HeldOut) -> AnnData:
    """Return a held-out section in the form of a comparison's spots."""
    counted = held.counted
    return AnnData(
        var=pd.DataFrame(index=np.array(held.genes)[counted]),
        obs=pd.DataFrame(index=[str(i) for i in range(len(held.centres))]),
        layers={"measured": held.measured[:, counted], "predicted": held.predicted[:, counted]},
        obsm={"spatial": held.centres},
    )


def halves(held: HeldOut, number: int, seed: int) -> float:
    """Return the adjusted Rand index of two halves of the counts, at about `number` domains."""
    rng = np.random.default_rng(seed)
    assert held.counts is not None
    assert held.library is not None
    counts = held.counts.toarray().astype(int)
    library = np.maximum(held.library, counts.sum(1)).astype(int)
    first = rng.binomial(counts, 0.5)
    size = first.sum(1) + rng.binomial(library - counts.sum(1), 0.5)
    found = []
    for part, total in ((first, size), (counts - first, library - size)):
        values = np.log10(1 + 1e4 * part / np.maximum(total, 1)[:, None]).astype(np.float32)
        domains = find_domains(AnnData(values, obsm={"spatial": held.centres}), n_resamples=0)
        level = int(np.abs(np.array(domains.n_domains) - number).argmin())
        found.append(domains.labels[:, level])
    return float(adjusted_rand_score(*found))


def section(held: HeldOut) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return one row of agreement, and one row of effects for each domain."""
    spots = as_spots(held)
    table = AnnData(spots.layers["predicted"], var=spots.var, obsm={"spatial": held.centres})
    predicted = find_domains(table)
    labels = predicted.best
    number = int(labels.max()) + 1
    effects = find_markers(table, labels).table
    found = against_measured(spots, measured_domains(spots), labels, effects)
    blocks = KMeans(number, n_init=10, random_state=0).fit_predict(held.centres)
    truth = measured_domains(spots)
    level = int(np.abs(np.array(truth.n_domains) - number).argmin())
    scores = found.agreement
    row = {
        "section": held.section,
        "spots": len(labels),
        "predicted": number,
        "measured": found.n_measured_domains,
        "ARI": scores["ari"],
        "elsewhere": scores["ari_shuffled_mean"],
        "elsewhere 95 %": scores["ari_shuffled_p95"],
        "p": scores["p_value"],
        "blocks": adjusted_rand_score(truth.labels[:, level], blocks),
        "halves": np.mean([halves(held, number, seed) for seed in range(5)]),
        "called": (found.markers["measured_q_value"] < 0.1).mean(),
    }
    return row, [{"section": held.section, **effect} for effect in found.effects]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")
    held = [load_held_out(file) for file in sorted((folder / "folds").glob("*.npz"))]
    rows, effects = zip(*(section(one) for one in held), strict=True)
    print(pd.DataFrame(list(rows)).round(3).to_string(index=False), flush=True)
    domains = pd.DataFrame([effect for of_section in effects for effect in of_section])
    print(domains.round(3).to_string(index=False), flush=True)
    print(held_out_signatures(held, read_gmt(), set(held[0].genes)).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
