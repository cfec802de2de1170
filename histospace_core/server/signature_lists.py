"""Signature lists of a run: those that ship, and those that a user uploads for it.

A list is named by an address-safe key, ``shipped/NAME`` or ``DIGEST/NAME``: links go on working.
"""

import hashlib
import re
from pathlib import Path

from histospace_core.characterise.signatures import HUMAN_GMT, Signature, read_gmt
from histospace_core.errors import MeasurementError, StoreError

_LAYER = "signature:"
_SHIPPED_KEY = "shipped"
_DIGEST = re.compile(r"[0-9a-f]{16}\Z")


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


def layer_of(key: str) -> str:
    """Return the name under which the viewer asks for a signature's map."""
    return f"{_LAYER}{key}"


def key_of(layer: str) -> str | None:
    """Return the key of a signature's map, None for a gene's."""
    return layer.removeprefix(_LAYER) if layer.startswith(_LAYER) else None


def signature_key(file: Path, signature: Signature) -> str:
    """Return the key of a signature in a file that `keep_signatures` gave."""
    return f"{file.stem}/{signature.name}"


def run_signatures(run_dir: Path) -> dict[str, Signature]:
    """Return all signatures that a run can show, by key: the shipped ones first."""
    files = {_SHIPPED_KEY: HUMAN_GMT}
    files |= {file.stem: file for file in sorted((run_dir / "signatures").glob("*.gmt"))}
    return {
        f"{source}/{signature.name}": signature
        for source, file in files.items()
        for signature in read_gmt(file)
    }


def run_signature(run_dir: Path, key: str) -> Signature:
    """Return one signature.

    Raises
    ------
    StoreError
        The run has none of this key.
    """
    source, _, name = key.partition("/")
    file = run_dir / "signatures" / f"{source}.gmt" if _DIGEST.match(source) else HUMAN_GMT
    if source == _SHIPPED_KEY or (_DIGEST.match(source) and file.exists()):
        for signature in read_gmt(file):
            if signature.name == name:
                return signature
    raise StoreError("This run has no such signature; it may have been deleted: upload it again.")
