r"""Score a map's value at measured spots beside a tile centred on each spot, section by section.

The script reads a cohort table. Without `--network`, it predicts every section with an installed
model. With `--network`, it trains one model for each patient that is held out, or one without the
sections of `--test`, as `histospace evaluate` does, and predicts the held-out sections with it; the
last column is then the largest difference, in the unit of the expression, of the prediction at the
spots from that of `evaluate`.

    python benchmarks/at_spots.py her2st.csv --model histospace-plus-her2st --out DIR
    python benchmarks/at_spots.py her2st.csv --network histospace-plus --out DIR
    python benchmarks/at_spots.py her2st.csv --network histospace-plus --train C2 C4 C5 --test C3 \
        --epochs 4 --out DIR
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

import histospace_core as hs
from histospace_core.comparison.at_spots import LAYER
from histospace_core.comparison.compare import Comparison
from histospace_core.evaluation import HeldOut
from histospace_core.networks import ModelPackage, save_package
from histospace_core.slides.content import slide_sha256
from histospace_core.training import read_cohort
from histospace_core.training.build import score_panel
from histospace_core.training.cohort import Section
from histospace_core.training.folds import make_folds, sections_of
from histospace_core.training.method import Packable
from histospace_core.training.registry import method_named
from histospace_core.training.run_fold import run_fold


def score(section: Section, model: ModelPackage, out: Path) -> Comparison:
    """Predict a section, unless that is done, and compare both predictions with its counts."""
    run = out / f"{section.name}-{model.name}"
    if not (run / "prediction.zarr").exists():
        hs.predict(section.image, out=run, model=model, mpp=section.mpp)
    number = len(list(run.glob("comparison*")))
    return hs.compare(
        run,
        section.counts,
        spots=section.spots,
        out=run / f"comparison{number}",
        slide=section.image,
        model=model,
    )


def row(section: Section, comparison: Comparison, held: HeldOut | None) -> dict[str, object]:
    """Return the scores of both predictions, each beside the mean profile's."""
    summary = comparison.summary
    at_spots = summary["at_spots"]
    line: dict[str, object] = {
        "section": section.name,
        "model": summary["model"],
        "trained on it": bool(summary["training_warning"]),
        "spots": summary["n_spots"],
        "genes": summary["n_genes_scored"],
    }
    for name, key in (
        ("r", "per_gene_pearson"),
        ("error ratio", "mse_ratio_to_mean"),
        ("per-spot r", "per_spot_pearson"),
    ):
        line[f"{name}, map"] = summary[key]
        line[f"{name}, at spots"] = at_spots[key]
    line["per-spot r, mean profile"] = summary["mean_profile_per_spot_pearson"]
    line["noise ceiling"] = summary["noise_ceiling"]
    if held is not None:
        line["from evaluate"] = difference(comparison, held)
    return line


def difference(comparison: Comparison, held: HeldOut) -> float:
    """Return the largest difference of the prediction at the spots from that of `evaluate`."""
    spots = comparison.spots
    places = {tuple(centre): i for i, centre in enumerate(held.centres)}
    rows = [places[tuple(centre)] for centre in spots.obsm["spatial"]]
    columns = pd.Index(held.genes).get_indexer(spots.var_names)
    return float(np.abs(spots.layers[LAYER] - held.predicted[np.ix_(rows, columns)]).max())


def held_out(
    options: argparse.Namespace,
) -> Iterator[tuple[Section, ModelPackage, HeldOut]]:
    """Yield each section with the model that never saw it, and what that predicts."""
    network, out = options.network, options.out
    method = method_named(network)
    recipe = method.recipe().with_(epochs=options.epochs)
    sections = read_cohort(options.cohort)
    by = "section" if options.test else "patient"
    folds = make_folds(sections, by, train=options.train, test=options.test)
    data = method.load(sections_of(folds, sections), recipe.stain)
    for fold in folds:
        result = run_fold(method, fold, data, recipe, "auto")
        trained = result.fitted
        assert isinstance(trained, Packable)
        name = f"{network}-without-{'+'.join(fold.test)}"
        config = {
            "network": network,
            "arguments": trained.arguments,
            "tile_px": method.views[0].px,
            "um_per_px": method.views[0].um_per_px,
            "context": [asdict(view) for view in method.views[1:]],
            "expression_unit": recipe.expression_unit,
            "training_sections": [
                {"section": n, "image_sha256": slide_sha256(data[n].section.image)}
                for n in fold.train
            ],
            "metrics": {},
        }
        genes = score_panel(result.train.panel, [])
        model = save_package(out / name, trained.network, trained.domain, config, genes, name)
        for held in result.held:
            yield data[held.section].section, model, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--model", default="histospace-plus-her2st")
    parser.add_argument("--network")
    parser.add_argument("--train", nargs="+", default=())
    parser.add_argument("--test", nargs="+", default=())
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.network:
        work = held_out(options)
        rows = [row(s, score(s, model, options.out), held) for s, model, held in work]
    else:
        model = next(m for m in hs.models() if m.name == options.model)
        rows = [row(s, score(s, model, options.out), None) for s in read_cohort(options.cohort)]
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
