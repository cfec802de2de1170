"""Serve the scripts of our components, and the libraries that they use, from this server."""

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

STATIC = Path(__file__).parent / "static"
_SERVED = (".js", ".txt")  # .txt: the licences of the libraries


def asset_url(path: str) -> str:
    """Return the address of a file in `static`.

    The address changes when any of the files changes, so that browsers may cache it for good.
    Scripts import each other by relative paths and so stay within one version.
    """
    return f"/api/assets/{_version()}/{path}"


@lru_cache
def _files() -> dict[str, Path]:
    # Only listed files are served, so that no path can lead out of the folder.
    files = sorted(f for f in STATIC.rglob("*") if f.suffix in _SERVED)
    return {file.relative_to(STATIC).as_posix(): file for file in files}


@lru_cache
def _version() -> str:
    digest = hashlib.sha256()
    for file in _files().values():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


async def asset(request: Request) -> Response:
    """Serve a file of `static`; the addresses of older versions answer 404."""
    file = _files().get(request.path_params["path"])
    if file is None or request.path_params["version"] != _version():
        raise HTTPException(404)
    # Some systems register another type for .js.
    kind = "text/javascript" if file.suffix == ".js" else mimetypes.types_map[file.suffix]
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return FileResponse(file, media_type=kind, headers=headers)
