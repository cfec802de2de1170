"""Agreement of domains with annotations; every score comes with a shuffled control."""

from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from histospace_core.characterise.placements import placements
from histospace_core.errors import MeasurementError


class Agreement(TypedDict):
    """Scores of one comparison. The control moves the whole map, which keeps it smooth."""

    n_tiles: int
    ari: float
    ari_shuffled_mean: float
    ari_shuffled_p95: float
    p_value: float
    auroc: dict[str, float]
    auroc_shuffled_mean: dict[str, float]


def agreement(
    domains: NDArray[np.integer],
    annotation: ArrayLike,
    centres: NDArray[np.floating],
    *,
    n_placements: int = 199,
    seed: int = 0,
) -> Agreement:
    """Compare domains with the classes of annotated tiles.

    The AUROC of a class ranks tiles by how common the class is in their domain. Since that
    frequency comes from the same tiles, many small domains score too high; the control has the
    same bias. The control places the domains elsewhere on the tissue (`placements`), because any
    smooth map would beat tiles that are shuffled one by one.

    Parameters
    ----------
    domains : int, (n,)
        Tiles with -1 are ignored.
    annotation : (n,) of str
        Tiles with "" are ignored.
    centres : (n, 2)

    Raises
    ------
    MeasurementError
        The tiles that have both a domain and a class have fewer than two classes.
    """
    classes = pd.Series(np.asarray(annotation, dtype=object)).fillna("").astype(str).to_numpy()
    known = (domains >= 0) & (classes != "")
    names = sorted(set(classes[known]))
    if len(names) < 2:
        raise MeasurementError(
            f"The annotations assign {len(names)} class{'' if len(names) == 1 else 'es'} to the "
            "predicted tiles, but agreement needs at least two; annotate another class."
        )
    control, areas = [], []
    for source in placements(centres, n_placements, seed):
        moved = np.where(source >= 0, domains[source], -1)
        both = (moved >= 0) & known
        if len(set(classes[both])) > 1:  # a single class cannot agree or disagree
            control.append(adjusted_rand_score(classes[both], moved[both]))
            areas.append(_aurocs(moved[both], classes[both], names))
    ari = float(adjusted_rand_score(classes[known], domains[known]))
    beaten = (np.array(control) >= ari).sum()
    shuffled = pd.DataFrame(areas, columns=names).mean()
    return {
        "n_tiles": int(known.sum()),
        "ari": ari,
        "ari_shuffled_mean": float(np.mean(control)) if control else float("nan"),
        "ari_shuffled_p95": float(np.quantile(control, 0.95)) if control else float("nan"),
        # the map itself counts as a placement, so p is never 0
        "p_value": float((beaten + 1) / (len(control) + 1)),
        "auroc": _aurocs(domains[known], classes[known], names),
        "auroc_shuffled_mean": {name: float(shuffled[name]) for name in names},
    }


def _aurocs(
    domains: NDArray[np.integer], classes: NDArray[np.object_], names: list[str]
) -> dict[str, float]:
    """Return the AUROC of each class; NaN for a class with no tiles or with all of them."""
    size = np.bincount(domains)
    found = {}
    for name in names:
        inside = classes == name
        n, m = int(inside.sum()), int((~inside).sum())
        if not n or not m:
            found[name] = float("nan")
            continue
        count = np.bincount(domains, weights=inside, minlength=len(size))
        score = (count / np.maximum(size, 1))[domains]
        # the tiles of a domain tie and share a mean rank
        rank = stats.rankdata(score)[inside].sum()
        found[name] = float((rank - n * (n + 1) / 2) / (n * m))  # AUROC from Mann-Whitney's U
    return found
