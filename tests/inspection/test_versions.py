"""The versions are those of the installed libraries."""

import numpy as np

import histospace_core
from histospace_core.inspection.versions import versions


def test_versions() -> None:
    found = versions()
    assert found["HistoSPACE"] == histospace_core.__version__
    assert found["numpy"] == np.__version__
