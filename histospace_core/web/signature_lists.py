"""Signature lists that a user uploads for a run."""

import hashlib
from pathlib import Path

from histospace_core.characterise.signatures import read_gmt
from histospace_core.errors import MeasurementError


def keep_signatures(run_dir: Path, content: bytes) -> Path:
    """Keep a GMT file with a run, named by its content, once it was read.

    Raises
    ------
    MeasurementError
        It is no GMT; nothing is kept.
    """
    file = run_dir / "signatures" / f"{hashlib.sha256(content).hexdigest()[:16]}.gmt"
    if file.exists():
        return file
    part = file.with_suffix(".part")
    try:
        file.parent.mkdir(exist_ok=True)
        part.write_bytes(content)
        read_gmt(part)
        part.replace(file)
    except OSError as error:
        raise MeasurementError(f"The signatures cannot be kept ({error.strerror}).") from error
    except MeasurementError as error:
        raise MeasurementError(str(error).replace(part.name, "The uploaded file")) from error
    finally:
        part.unlink(missing_ok=True)
    return file
