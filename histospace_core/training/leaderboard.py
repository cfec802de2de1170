"""Networks on the same folds: accuracy, size, speed, and the significance of differences."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from histospace_core.errors import CohortError, StoreError
from histospace_core.evaluation import HeldOut, compare_methods
from histospace_core.files import write_bytes
from histospace_core.out_lock import alone_in
from histospace_core.progress import OnProgress, Progress, no_progress, part_progress
from histospace_core.training.cohort import read_cohort
from histospace_core.training.cohort_check import cohort_check
from histospace_core.training.cross_validate import evaluate_cohort
from histospace_core.training.findings import require_sound
from histospace_core.training.folds import make_folds, sections_of
from histospace_core.training.held_out_file import load_held_out
from histospace_core.training.leaderboard_entry import Entry
from histospace_core.training.leaderboard_table import against_lines, leaderboard_lines
from histospace_core.training.registry import METHODS, method_named
from histospace_core.training.speed import Speed, measure_speed

OURS = "histospace-plus"
SCORES = (
    "per_gene_pearson",
    "per_gene_pearson_hvg50",
    "mse_ratio_to_mean",
    "per_spot_pearson",
    "mean_profile_per_spot_pearson",
    "noise_ceiling",
    "share_of_noise_ceiling",
    "train_seconds",
)
SCORES_GIVEN_DEPTH = ("per_gene_pearson_given_depth", "noise_ceiling_low")
"""Further scores, which older leaderboards and evaluations lack."""
KEY = ["cohort", "split", "network", "recipe"]
"""Columns that identify a row."""


@alone_in("out")
def make_leaderboard(
    table: Path,
    out: Path,
    *,
    networks: Sequence[str] = tuple(METHODS),
    folds: str = "patient",
    train: Sequence[str] = (),
    test: Sequence[str] = (),
    seeds: int = 1,
    append: bool = False,
    ours: str | None = None,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> pd.DataFrame:
    """Evaluate networks on the same folds; write `leaderboard.csv`, `.md` and `against.csv`.

    The evaluation of each network is in `out/<network>/<split>/`; finished folds are not computed
    again. The tables are written after each network, so that an interruption loses no result.

    Parameters
    ----------
    networks
        Names; append `@recipe` for a recipe other than the default.
    append
        Keep the rows of other networks and splits in `out`.
    ours
        The network that the others are compared with in `against.csv`; by default
        `histospace-plus` if it has a row, else the network with the highest per-gene r.

    Returns
    -------
    The rows of `leaderboard.csv`.

    Raises
    ------
    CohortError
        The cohort cannot be read or split, or a network is unknown.
    ModelError
        A network's weights are not on this machine.
    """
    entries = list(dict.fromkeys(Entry.of(name) for name in networks))
    sections = read_cohort(table)
    plan = make_folds(sections, folds, train=train, test=test)
    require_sound(cohort_check(sections_of(plan, sections), plan))
    split = _split(folds, train, test, plan[0].train, plan[0].test)
    old = _read(out) if append else pd.DataFrame()
    speeds: dict[Entry, Speed] = {}
    for i, entry in enumerate(entries):
        # speed first, for all networks: it reveals missing weights before hours of training
        on_progress(Progress(i, 10 * len(entries), f"speed of {entry.network}"))
        fold = plan[0]
        speeds[entry] = measure_speed(table, fold.train, fold.test[0], entry.network, entry.recipe)
    rows = old
    for i, entry in enumerate(entries):
        # the speeds are the first tenth
        start, stop = (0.1 + 0.9 * j / len(entries) for j in (i, i + 1))
        folder = out / entry.folder / _slug(f"{table.stem} {split}")
        summary = evaluate_cohort(
            table,
            folder,
            network=entry.network,
            recipe=method_named(entry.network).recipe(entry.recipe),
            folds=folds,
            train=train,
            test=test,
            seeds=range(seeds),
            device=device,
            on_progress=part_progress(on_progress, entry.network, start, stop),
        )
        row = _row(table, split, entry, summary, speeds[entry], folder.relative_to(out))
        row["script"] = _script(table, entry, folds, train, test, seeds)
        rows = _with(rows, row)
        _write(out, rows, _against(out, rows, ours))
    return rows


def _split(
    folds: str,
    train: Sequence[str],
    test: Sequence[str],
    learnt: Iterable[str],
    held: Iterable[str],
) -> str:
    if train or test:
        return f"{' '.join(learnt)} -> {' '.join(held)}"
    return f"leave one {folds} out"


def _row(
    table: Path, split: str, entry: Entry, summary: dict[str, Any], speed: Speed, folder: Path
) -> dict[str, Any]:
    scores = summary["summary"]["scores"]
    protocol = summary["protocol"]
    return {
        "cohort": table.name,
        "split": split,
        "network": entry.network,
        "recipe": entry.recipe,
        "n_parameters": summary["n_parameters"],
        "seeds": len(protocol["seeds"]),
        "n_sections": summary["summary"]["n_sections"],
        **{key: scores[key]["mean"] for key in SCORES},
        **{key: scores.get(key, {}).get("mean") for key in SCORES_GIVEN_DEPTH},
        "per_gene_pearson_low": scores["per_gene_pearson"]["low"],
        "per_gene_pearson_high": scores["per_gene_pearson"]["high"],
        **asdict(speed),
        "date": datetime.now(UTC).date().isoformat(),
        "note": "; ".join([*_trunk(protocol["recipe"]), *protocol["leaks"]]),
        "folder": folder.as_posix(),
    }


def _trunk(recipe: dict[str, Any]) -> list[str]:
    """Describe the image trunk and the origin of its weights; empty without a trunk."""
    if "trunk" not in recipe:
        return []
    weights = "pretrained" if recipe["pretrained"] else "RANDOM weights"
    return [f"trunk {recipe['trunk']}, {weights}"]


def _script(
    table: Path, entry: Entry, folds: str, train: Sequence[str], test: Sequence[str], seeds: int
) -> str:
    """Return the command that reproduces this row."""
    parts = [f"histospace leaderboard {table.name}", f"--networks {entry.network}@{entry.recipe}"]
    parts += [f"--train {','.join(train)}"] if train else []
    parts += [f"--test {','.join(test)}"] if test else []
    parts += [] if train or test else [f"--folds {folds}"]
    return " ".join([*parts, f"--seeds {seeds} --append --out DIR"])


def _with(rows: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """Add a row, replacing one with the same key, and sort the best of each split first."""
    new = pd.DataFrame([row])
    if len(rows):
        same = (rows[KEY] == new.loc[0, KEY]).all(axis=1)
        kept = rows[~same]
        # concat warns of columns without values, so drop and restore them
        parts = [f.dropna(axis=1, how="all") for f in (kept, new) if len(f)]
        new = pd.concat(parts, ignore_index=True).reindex(columns=list(row))
    return new.sort_values(
        ["cohort", "split", "per_gene_pearson"], ascending=[True, True, False], ignore_index=True
    )


def _against(out: Path, rows: pd.DataFrame, ours: str | None) -> pd.DataFrame:
    """Compare our network with each other network of the same split."""
    compared = []
    for (cohort, split), group in rows.groupby(["cohort", "split"], sort=False):
        if len(group) < 2:
            continue
        best = group[group["network"] == (ours or OURS)]
        a = (best if len(best) else group).iloc[0]  # rows are sorted, so the first one is the best
        mine = _predictions(out / a["folder"])
        for _, b in group.drop(a.name).iterrows():
            paired = compare_methods(mine, _predictions(out / b["folder"])).to_dict()
            names = {"a": a["network"], "a_recipe": a["recipe"]}
            names |= {"b": b["network"], "b_recipe": b["recipe"]}
            compared.append({"cohort": cohort, "split": split, **names, **paired})
    return pd.DataFrame(compared)


def _predictions(folder: Path) -> list[HeldOut]:
    return [load_held_out(file) for file in sorted((folder / "folds").glob("*-seed*.npz"))]


def _read(out: Path) -> pd.DataFrame:
    file = out / "leaderboard.csv"
    if not file.exists():
        return pd.DataFrame()
    try:
        rows = pd.read_csv(file, keep_default_na=True).fillna({"note": ""})
    except (OSError, ValueError) as error:
        raise StoreError(
            f"'{file.name}' in the folder '{out.name}' is damaged; run without --append."
        ) from error
    if not {*KEY, *SCORES, "folder"} <= set(rows):
        raise CohortError(
            f"'{file.name}' in '{out.name}' is no leaderboard; choose another folder."
        )
    return rows


def _write(out: Path, rows: pd.DataFrame, against: pd.DataFrame) -> None:
    text = "\n".join([*leaderboard_lines(rows), *against_lines(against)]) + "\n"
    files = {
        "leaderboard.csv": rows.to_csv(index=False, float_format="%.6g"),
        "leaderboard.md": text,
    }
    if len(against):
        files["against.csv"] = against.to_csv(index=False, float_format="%.6g")
    for name, content in files.items():
        write_bytes(out / name, content.encode())


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())
