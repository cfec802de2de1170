"""h5ad files of other programs: what they hold where, and which of it is read."""

import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from builders.measured import GENES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from histospace_core.errors import MeasurementError
from histospace_core.expression import Choice, read_measured

EXAMPLES = 2_000
MORE = [*GENES, "GAPDH", "ACTB", "VIM"]


@st.composite
def files(draw: st.DrawFn) -> tuple[ad.AnnData, dict[str, Any]]:
    """An AnnData of one section or two, and what is true of it."""
    n, seed = draw(st.integers(3, 8)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, (n, len(MORE)))
    counts[:, 0] += 1  # no spot without counts
    cut = draw(st.sampled_from([len(MORE), len(MORE), 5]))
    dtype = draw(st.sampled_from(["float32", "float64", "int32", "int64", "uint16", "float16"]))
    form = draw(st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]))
    where = draw(st.sampled_from(["X", "layers", "raw", "X and raw", "raw whole", "none"]))

    def stored(values: np.ndarray) -> Any:
        usable = "float32" if dtype == "float16" and form is not np.asarray else dtype
        return form(values.astype(usable))

    normalised = np.log1p(counts[:, :cut] / counts.sum(1, keepdims=True) * 1e4)
    var, whole = pd.DataFrame(index=MORE[:cut]), pd.DataFrame(index=MORE)
    obs = pd.DataFrame(index=[f"s{i}" for i in range(n)])
    x = stored(counts[:, :cut]) if where.startswith("X") else normalised.astype("float32")
    adata = ad.AnnData(x, obs=obs, var=var)
    if where == "layers":
        adata.layers["counts"] = stored(counts[:, :cut])
    if where in ("raw", "X and raw"):
        adata.raw = ad.AnnData(stored(counts[:, :cut]), obs=obs, var=var)
    if where == "raw whole":
        adata.raw = ad.AnnData(stored(counts), obs=obs, var=whole)
    adata.obsm["spatial"] = rng.permutation(np.arange(2 * n) * 100).reshape(n, 2).astype(float)
    under = np.ones(n, bool)
    if draw(st.booleans()):
        under = rng.random(n) < 0.7
        yes, no = draw(st.sampled_from([(1, 0), (True, False), ("1", "0"), ("True", "False")]))
        adata.obs["in_tissue"] = [yes if u else no for u in under]
    totals = draw(st.booleans())
    if totals:
        adata.obs["total_counts"] = counts.sum(1)
    libraries = draw(st.sampled_from([1, 1, 2]))
    section = np.where(np.arange(n) < n // 2, "one", "two") if libraries == 2 else np.full(n, "one")
    if libraries == 2:
        adata.obs["library_id"] = pd.Categorical(section)
    names = sorted(set(section))
    adata.uns["spatial"] = {
        name: {"scalefactors": {"spot_diameter_fullres": 30.0 + i}} for i, name in enumerate(names)
    }
    shown = MORE if where == "raw whole" else MORE[:cut]
    truth = {
        "counts": pd.DataFrame(counts[:, : len(shown)], index=obs.index, columns=shown),
        "library": pd.Series(counts.sum(1), index=obs.index),
        "positions": pd.DataFrame(adata.obsm["spatial"], index=obs.index),
        "section": pd.Series(section, index=obs.index),
        "under": pd.Series(under, index=obs.index),
        "has counts": where != "none",
        "whole": where == "raw whole" or cut == len(MORE) or totals,
    }
    return adata, truth


def require(read: ad.AnnData, truth: dict[str, Any], keep: pd.Series, diameter: float) -> None:
    names = truth["counts"].index[keep & truth["under"]]
    assert sorted(read.obs_names) == sorted(names)
    read = read[list(names)]
    assert read.var_names.tolist() == truth["counts"].columns.tolist()
    assert read.X.toarray().tolist() == truth["counts"].loc[names].to_numpy().tolist()
    assert read.obsm["spatial"].tolist() == truth["positions"].loc[names].to_numpy().tolist()
    assert read.uns["histospace"]["spot_diameter_px"] == diameter
    if truth["whole"]:
        assert read.obs["total_counts"].tolist() == truth["library"].loc[names].tolist()
    else:
        assert read.uns["histospace"]["notes"], "a cut library size without a word"


@pytest.mark.slow
@settings(max_examples=EXAMPLES, derandomize=True)
@given(made=files())
def test_h5ad(folder: Path, made: tuple[ad.AnnData, dict[str, Any]]) -> None:
    """Counts, positions and library size are those that anndata holds, or the file is refused."""
    adata, truth = made
    path = folder / "measured.h5ad"
    path.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(path)

    def outcome(choice: Choice) -> Any:
        try:
            return read_measured(path, None, choice)
        except MeasurementError as error:
            return error

    got = outcome(Choice())
    sections = sorted(set(truth["section"]))
    everything = truth["section"].notna()
    if not truth["has counts"]:
        assert isinstance(got, MeasurementError)
    elif len(sections) == 2:
        assert isinstance(got, MeasurementError)
        assert got.alternatives is not None, str(got)
        assert sorted(got.alternatives.names) == sections
        for number, name in enumerate(sections):
            chosen = outcome(Choice(library=name))
            keep = truth["section"] == name
            if not isinstance(chosen, MeasurementError):
                require(chosen, truth, keep, 30.0 + number)
            else:
                assert not truth["whole"] or not (keep & truth["under"]).any(), str(chosen)
    elif isinstance(got, MeasurementError):
        assert not truth["whole"] or not truth["under"].any(), str(got)
    else:
        require(got, truth, everything, 30.0)
