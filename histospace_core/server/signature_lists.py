"""Gene signatures of a run: the shipped ones, and those that a user uploads for it.

The key of a signature is ``shipped/NAME`` or ``DIGEST/NAME``, with the digest of the uploaded file,
so that links to it keep working.
"""

import hashlib
import re
from pathlib import Path

from histospace_core.characterise.signatures import HUMAN_GMT, Signature, parse_gmt, read_gmt
from histospace_core.errors import StoreError
from histospace_core.files import disk_errors, write_bytes

_LAYER = "signature:"
_SHIPPED_KEY = "shipped"
_DIGEST = re.compile(r"[0-9a-f]{16}\Z")


def save_signatures(run_dir: Path, content: bytes) -> Path:
    """Check a GMT file and save it in the run's folder, named by its hash.

    Raises
    ------
    MeasurementError
        The file is not in GMT format; nothing is saved.
    StoreError
        The run's folder cannot be written.
    """
    file = run_dir / "signatures" / f"{hashlib.sha256(content).hexdigest()[:16]}.gmt"
    if file.exists():
        return file
    parse_gmt("The uploaded file", content)
    with disk_errors(file, "the signatures"):
        write_bytes(file, content)
    return file


def layer_of(key: str) -> str:
    """Return the name by which the viewer requests the map of a signature."""
    return f"{_LAYER}{key}"


def key_of(layer: str) -> str | None:
    """Return the key of the signature that a map shows; None for the map of a gene."""
    return layer.removeprefix(_LAYER) if layer.startswith(_LAYER) else None


def signature_key(file: Path, signature: Signature) -> str:
    """Return the key of a signature in a file that `save_signatures` returned."""
    return f"{file.stem}/{signature.name}"


def run_signatures(run_dir: Path) -> dict[str, Signature]:
    """Return all signatures that a run can show, by key, the shipped ones first."""
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
        The run has no signature with this key.
    """
    source, _, name = key.partition("/")
    # The key comes from a link: only a digest may become a file name.
    file = run_dir / "signatures" / f"{source}.gmt" if _DIGEST.match(source) else HUMAN_GMT
    if source == _SHIPPED_KEY or (_DIGEST.match(source) and file.exists()):
        for signature in read_gmt(file):
            if signature.name == name:
                return signature
    raise StoreError("This run has no such signature; it may have been deleted: upload it again.")
