"""How reading a broken or hostile measured section must fail."""

from pathlib import Path

import pytest

from histospace_core.errors import MeasurementError
from histospace_core.expression import read_measured

SECRET = "a file of the server"


def refuse(path: Path, message: str, spots: Path | None = None) -> None:
    """Reading must fail with one sentence that names the file and says `message`."""
    with pytest.raises(MeasurementError, match=message) as caught:
        read_measured(path, spots)
    said = str(caught.value)
    assert path.name in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert SECRET not in said
