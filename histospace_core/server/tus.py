"""Headers of tus 1.0.0, the resumable upload protocol (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
from email.utils import formatdate

from starlette.datastructures import Headers

from histospace_core.server.uploads import UploadError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
CHUNK_TYPE = "application/offset+octet-stream"
_MAX_METADATA = 16_384


def capabilities(max_bytes: int) -> dict[str, str]:
    """Return the headers that tell a client what this server supports."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(max_bytes),
    }


def method(verb: str, headers: Headers) -> str:
    """Return the request's method, which `X-HTTP-Method-Override` replaces where it is set."""
    return headers.get("X-HTTP-Method-Override", verb).upper()


def require_version(headers: Headers) -> None:
    """Refuse a client that speaks another version of the protocol.

    Raises
    ------
    UploadError
        With status 412.
    """
    if headers.get("Tus-Resumable") != VERSION:
        raise UploadError(412, f"This server speaks tus {VERSION}: send Tus-Resumable: {VERSION}.")


def require_chunk_type(headers: Headers) -> None:
    """Refuse a chunk of another content type than the protocol's, with status 415."""
    if headers.get("Content-Type") != CHUNK_TYPE:
        raise UploadError(415, f"A chunk must have the content type {CHUNK_TYPE}.")


def byte_count(headers: Headers, name: str) -> int:
    """Return the number of bytes that a header states.

    Raises
    ------
    UploadError
        With status 400: the header is missing, or is not a whole number below 10**18.
    """
    value = headers.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise UploadError(400, f"The header {name} is missing or is not a number of bytes.")
    return int(value)


def decode_metadata(text: str) -> dict[str, str]:
    """Decode `Upload-Metadata`: comma-separated keys, each with a base64 value after a space.

    Raises
    ------
    UploadError
        With status 413 for more than 16 kB, with status 400 for what cannot be decoded.
    """
    if len(text) > _MAX_METADATA:
        raise UploadError(413, "The header Upload-Metadata is too long.")
    metadata = {}
    try:
        for pair in text.split(",") if text else ():
            key, _, value = pair.strip().partition(" ")
            # Without `validate`, foreign characters are skipped in silence.
            metadata[key] = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise UploadError(400, "The header Upload-Metadata cannot be decoded.") from error
    return metadata


def http_date(seconds: float) -> str:
    """Return a Unix time as HTTP writes it."""
    return formatdate(seconds, usegmt=True)
