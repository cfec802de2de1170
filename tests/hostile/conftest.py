"""Fixtures for broken and hostile measured sections."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from histospace_core.expression.assemble import RawCounts
from histospace_core.expression.choice import Choice
from histospace_core.expression.isolated import READERS


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a child process where the file is known not to crash the HDF5 library."""

    def read(path: Path, kind: str, choice: Choice) -> RawCounts:
        return READERS[kind](path, choice)

    monkeypatch.setattr("histospace_core.expression.measured.read_isolated", read)


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    """A sound h5ad, to be spoilt."""
    adata = AnnData(
        np.ones((4, 2), dtype=np.float32),
        var=pd.DataFrame(index=["ERBB2", "KRT8"]),
        obsm={"spatial": np.ones((4, 2))},
    )
    adata.write_h5ad(tmp_path / "measured.h5ad")
    return tmp_path / "measured.h5ad"
