"""Signed links and tokens; they expire within a day and cannot be guessed."""

import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from itsdangerous import BadSignature, Signer

from histospace_core.errors import StoreError

WINDOW_S = 12 * 3600
"""A link stays the same for this long, so that browsers may cache it; it works for 12 to 24 h."""

PARAMETER = "token"


class Tokens:
    """Signs links and tokens with the secret of the store.

    Parameters
    ----------
    store
        Folder of the store; its file `secret.key` (mode 0600) is created on first use.
    """

    def __init__(self, store: Path) -> None:
        self._signer = Signer(_secret(store / "secret.key"), salt="histospace.web")

    def sign(self, path: str, **query: str | int) -> str:
        """Return `path` as a link that `verify` accepts."""
        return f"{path}?{urlencode({**query, PARAMETER: self.grant(_canonical(path, query))})}"

    def verify(self, path: str, query: Mapping[str, str]) -> bool:
        """Return whether we signed a link with this path and query and it has not expired."""
        rest = {name: value for name, value in query.items() if name != PARAMETER}
        return self.allows(_canonical(path, rest), query.get(PARAMETER, ""))

    def grant(self, purpose: str) -> str:
        """Return a token for a purpose such as "upload"."""
        expires = int(time.time() // WINDOW_S + 2) * WINDOW_S
        return f"{expires}.{self._signer.get_signature(f'{expires}|{purpose}').decode()}"

    def allows(self, purpose: str, token: str) -> bool:
        """Return whether the token was granted for this purpose and has not expired."""
        expires, _, signature = token.partition(".")
        # int() raises on "²", which is a digit, and on thousands of digits.
        sane = expires.isascii() and expires.isdigit() and len(expires) < 20
        if not sane or int(expires) < time.time():
            return False
        try:
            self._signer.unsign(f"{expires}|{purpose}.{signature}")
        except BadSignature:
            return False
        return True


def _canonical(path: str, query: Mapping[str, str | int]) -> str:
    return f"{path}?{urlencode(sorted(query.items()))}"


def _secret(file: Path) -> bytes:
    """Read the store's secret; if several processes start for the first time, one creates it."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f"secret-{secrets.token_hex(8)}.part")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(secrets.token_hex(32))
            # A link appears with its whole content, and fails if another process was first.
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(fresh)
            fresh.unlink()
        return file.read_bytes()
    except OSError as error:
        raise StoreError(
            f"The store's secret {file.name} cannot be read or made ({error.strerror}): "
            "give this account the right to write to the store's folder."
        ) from error
