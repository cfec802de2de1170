"""A held-out section with its prediction, in memory and on disk, and the gene sets to score."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from histospace_core.errors import StoreError
from histospace_core.evaluation.metrics import Matrix
from histospace_core.evaluation.noise import noise_ceiling
from histospace_core.evaluation.spatial import morans_i

SET_SIZE = 50


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One held-out section: measured and predicted expression of the panel, and the baseline.

    Attributes
    ----------
    measured, predicted : float32 (spots, genes)
        In the expression unit of the model; a gene that was not counted is 0.
    mean_profile : float32 (genes,)
        Mean of the training spots: the baseline that knows no image.
    counts : csr (spots, genes) or None
        Raw counts of the same genes, for the noise ceiling.
    centres : float64 (spots, 2)
        Spot centres in level-0 px.
    counted : bool (genes,)
        Genes that the section's table has at all.
    library : float64 (spots,) or None
        Total count of each spot over ALL genes of its table, by which expression is normalised;
        that of `counts` where None.
    """

    section: str
    patient: str
    genes: tuple[str, ...]
    measured: NDArray[np.float32]
    predicted: NDArray[np.float32]
    mean_profile: NDArray[np.float32]
    counts: sparse.csr_matrix | sparse.csr_array | None
    centres: NDArray[np.float64]
    counted: NDArray[np.bool_]
    library: NDArray[np.float64] | None = None

    def noise_ceiling(self, how: str = "log10_cp10k") -> NDArray[np.float64]:
        """Each gene's highest reachable correlation, (genes,), NaN where it cannot be told."""
        ceiling = np.full(len(self.genes), np.nan)
        if self.counts is None or not self.counted.any():
            return ceiling
        genes = np.flatnonzero(self.counted)
        ceiling[genes] = noise_ceiling(self.counts, genes, how=how, library=self.library)
        return ceiling


@dataclass(frozen=True, eq=False)
class GeneSets:
    """Indices into the panel, fixed on training data: no held-out spot has a say.

    Attributes
    ----------
    hvg50 : the 50 genes of largest variance over the pooled training spots.
    svg50 : the 50 genes of largest Moran's I, averaged over the training sections.
    """

    hvg50: NDArray[np.intp]
    svg50: NDArray[np.intp]


def gene_sets(expression: Sequence[Matrix], centres: Sequence[NDArray[np.floating]]) -> GeneSets:
    """Choose the gene sets from the training sections.

    Parameters
    ----------
    expression
        Normalised expression of each training section, (spots, genes) with the same genes.
    centres
        Spot centres of each, (spots, 2).
    """
    variance = np.concatenate(list(expression)).var(0)
    autocorrelation = np.array([morans_i(x, c) for x, c in zip(expression, centres, strict=True)])
    known = np.isfinite(autocorrelation)
    total = np.where(known, autocorrelation, 0).sum(0)
    n = known.sum(0)
    return GeneSets(
        _largest(variance), _largest(np.where(n > 0, total / np.maximum(n, 1), -np.inf))
    )


def save_held_out(path: Path, held: HeldOut) -> None:
    """Write one held-out section as a compressed npz, whole or not at all.

    The prediction is kept as its deviation from the mean profile in float16, whose error is then
    5e-4 of the deviation and not of the level; the measurement as float16; counts as the smallest
    integer that holds them. Scores change by less than 1e-3; 283 spots x 2,711 genes take some
    2 MB.
    """
    arrays = {
        "section": np.array(held.section),
        "patient": np.array(held.patient),
        "genes": np.array(held.genes, dtype=np.str_),
        "measured": held.measured.astype(np.float16),
        "deviation": (held.predicted - held.mean_profile).astype(np.float16),
        "mean_profile": held.mean_profile,
        "centres": held.centres,
        "counted": held.counted,
    }
    if held.counts is not None:
        dense = sparse.csr_array(held.counts).toarray()
        arrays["counts"] = dense.astype(np.min_scalar_type(int(dense.max(initial=0))))
    if held.library is not None:
        arrays["library"] = held.library
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"The predictions '{path.name}' cannot be written ({error.strerror}); free space or "
            "choose another folder."
        ) from error


def load_held_out(path: Path) -> HeldOut:
    """Read what `save_held_out` wrote.

    Raises
    ------
    StoreError
        The file is missing, damaged or of another kind.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            mean = kept["mean_profile"]
            return HeldOut(
                section=str(kept["section"]),
                patient=str(kept["patient"]),
                genes=tuple(kept["genes"].tolist()),
                measured=kept["measured"].astype(np.float32),
                predicted=mean + kept["deviation"].astype(np.float32),
                mean_profile=mean,
                counts=sparse.csr_array(kept["counts"]) if "counts" in kept else None,
                centres=kept["centres"],
                counted=kept["counted"],
                library=kept.get("library"),
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"The predictions '{path.name}' are missing or damaged; evaluate again."
        ) from error


def _largest(values: NDArray[np.floating]) -> NDArray[np.intp]:
    return np.sort(np.argsort(-values, kind="stable")[:SET_SIZE])
