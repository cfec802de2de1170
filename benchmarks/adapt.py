"""Score an adapted model on other sections of the patient, beside what it should beat.

The model must not have seen the patient. On each test section, over the genes that all of them
predict, the script prints the scores of

- the model as it is;
- the model adapted on one section (`histospace adapt`);
- HistoSPACE+ trained on this section alone (`histospace train` with a cohort of one section);
- the mean profile of this section, which is the baseline of every MSE ratio.

The test sections are only predicted: nothing is chosen on them.

    histospace train B4.csv --network histospace-plus --out B4
    python benchmarks/adapt.py her2st.csv --model B4 --adapt C2 --test C3,C4,C5 --seeds 3
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from histospace_core.evaluation import mse_ratio_to_mean, per_gene_pearson
from histospace_core.evaluation.noise import pearson_given_depth
from histospace_core.networks import load_package
from histospace_core.networks.histospace_plus import HistoSPACEPlus
from histospace_core.training import SectionData, read_cohort
from histospace_core.training.adapt_fit import ADAPT, AdaptPanels, fit_section, with_genes
from histospace_core.training.histospace_plus import HISTOSPACE_PLUS, TrainedPlus, fit_plus
from histospace_core.training.method import FitContext, Fitted, TrainingSet
from histospace_core.training.panel import Panel, select_panel
from histospace_core.training.recipe import PLUS

Arms = Iterator[tuple[str, int, Fitted, tuple[str, ...]]]


def arms(model: Path, section: SectionData, panels: AdaptPanels, n_seeds: int) -> Arms:
    """Yield name, seed, trained network and genes of everything that is compared."""
    network, domain = load_package(model).load()
    assert isinstance(network, HistoSPACEPlus)
    assert domain is not None
    as_it_is = TrainedPlus(with_genes(network, panels.columns), domain)
    yield "model as it is", 0, as_it_is, panels.model.genes
    cpu = torch.device("cpu")
    for seed in range(n_seeds):
        recipe = ADAPT.with_(seed=seed)
        adapted, _ = fit_section(section, network, panels, recipe, FitContext(cpu))
        yield "adapted", seed, adapted, panels.learnt.genes
        alone = TrainingSet.of([section], PLUS)
        trained = fit_plus(alone, PLUS.with_(seed=seed), FitContext(cpu))
        yield "section alone", seed, trained, alone.panel.genes


def score(
    predicted: NDArray[np.float32], section: SectionData, genes: Panel, known: NDArray[np.float32]
) -> dict[str, Any]:
    """Score a prediction of `genes`; `known` is the adapted section's expression of them."""
    measured = genes.expression(section.measured, PLUS.expression_unit)
    r = per_gene_pearson(measured, predicted)
    depth = np.asarray(section.measured.X.sum(1), np.float64).ravel()
    variable = np.argsort(-known.var(0), kind="stable")[:50]
    return {
        "section": section.section.name,
        "per-gene r": np.nanmean(r),
        "r HVG50": np.nanmean(r[variable]),
        "r given depth": np.nanmean(pearson_given_depth(measured, predicted, depth)),
        "MSE ratio": mse_ratio_to_mean(measured, predicted, known.mean(0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapt", required=True, help="section to adapt on")
    parser.add_argument("--test", required=True, help="sections, separated by commas")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    tested = arguments.test.split(",")
    wanted = [s for s in read_cohort(arguments.cohort) if s.name in {arguments.adapt, *tested}]
    data = HISTOSPACE_PLUS.load(wanted)
    section = data[arguments.adapt]
    panels = AdaptPanels.of(load_package(arguments.model).genes, section.measured)
    counted = [
        g for g in panels.model.genes if all(g in data[name].measured.var_names for name in tested)
    ]
    alone = select_panel([section.measured]).genes
    counted = [g for g in counted if g in alone]
    rows = []
    for name, seed, fitted, predicts in arms(arguments.model, section, panels, arguments.seeds):
        genes = [g for g in counted if g in predicts]
        common = Panel(tuple(genes), ("",) * len(genes))
        known = common.expression(section.measured, PLUS.expression_unit)
        columns = [predicts.index(g) for g in genes]
        for test in tested:
            predicted = fitted.predict(data[test])[:, columns]
            row = score(predicted, data[test], common, known)
            rows.append({"network": name, "seed": seed, "genes": len(genes), **row})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    scores = ["genes", "per-gene r", "r HVG50", "r given depth", "MSE ratio"]
    print(table.groupby(["network", "section"], sort=False)[scores].mean().round(3).to_string())
    print(table.groupby("network", sort=False)[scores].mean().round(3).to_string())
    print(table.groupby(["network", "seed"], sort=False)[scores].mean().round(3).to_string())
    print("mean profile of the section: per-gene r 0, MSE ratio 1")


if __name__ == "__main__":
    main()
