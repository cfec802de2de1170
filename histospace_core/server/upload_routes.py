"""The upload protocol: create, send pieces at an offset, finish; resumable at any moment.

    POST   /api/uploads              {name, size, kind} -> {id, offset}
    GET    /api/uploads/{id}         -> {offset}
    PUT    /api/uploads/{id}         body, header Upload-Offset -> {offset}
    POST   /api/uploads/{id}/finish  -> {slide_id, …} or {measured_id, …}
    DELETE /api/uploads/{id}         -> {}

Every answer but the last may be {error: sentence} with a status that says so.
"""

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from histospace_core.catalog.intake import accept_slide
from histospace_core.errors import HistospaceError
from histospace_core.server.context import Context, get_context
from histospace_core.server.measured_files import accept_measured
from histospace_core.server.uploads import KINDS, Upload, UploadError

PURPOSE = "upload"
TOKEN_HEADER = "X-Histospace-Token"  # noqa: S105 (a header's name)
STALL_S = 30.0  # a body that sends nothing for so long is given up; the upload can be resumed
_WRITE_BYTES = 1 << 20
_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def _guarded(handler: Handler) -> Handler:
    """Let in only our own pages, and answer every error with its sentence."""

    @functools.wraps(handler)
    async def guard(request: Request) -> Response:
        try:
            _check_sender(request)
            return await handler(request)
        except UploadError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except HistospaceError as error:
            return JSONResponse({"error": str(error)}, 422)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody hears it

    return guard


def _check_sender(request: Request) -> None:
    """Refuse another site's page (a browser names its origin) and whoever has no token of ours."""
    origin = request.headers.get("origin")
    cross_origin = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if cross_origin or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise UploadError(403, "Uploads are taken only from this app's own pages.")
    if not get_context().tokens.allows(PURPOSE, request.headers.get(TOKEN_HEADER, "")):
        raise UploadError(403, "This page has expired: reload it and try again.")


@_guarded
async def create(request: Request) -> Response:
    """Begin an upload."""
    about = await _small_json(request)
    name, size, kind = about.get("name"), about.get("size"), about.get("kind")
    if not isinstance(name, str) or not _is_size(size) or kind not in KINDS:
        raise UploadError(400, "An upload needs a name, a size in bytes and a known kind.")
    upload = await asyncio.to_thread(get_context().uploads.create, name, size, kind)
    return JSONResponse({"id": upload.id, "offset": 0}, 201)


@_guarded
async def offset(request: Request) -> Response:
    """Say how far an upload is."""
    upload = _find(request)
    return JSONResponse({"offset": upload.offset, "size": upload.size})


@_guarded
async def append(request: Request) -> Response:
    """Take a piece of the file as it comes, writing at most a megabyte at a time."""
    upload = _find(request)
    start = request.headers.get("upload-offset", "")
    if not (start.isascii() and start.isdigit() and len(start) < 20):
        raise UploadError(400, "The header Upload-Offset is missing or no number.")
    turn = await upload.begin(int(start))
    if int(request.headers.get("content-length", 0)) > upload.size - upload.offset:
        raise UploadError(413, f"{upload.name} is longer than the {upload.size} bytes named.")
    try:
        await _receive(request, upload, turn)
    except UploadError as error:
        if error.status == 507:
            get_context().uploads.close(upload)  # give the space back at once
        raise
    return JSONResponse({"offset": upload.offset})


@_guarded
async def cancel(request: Request) -> Response:
    """Forget an upload and its bytes."""
    upload = _find(request)
    if upload.finishing is None:
        upload.turn += 1
        await asyncio.to_thread(get_context().uploads.close, upload)
    return JSONResponse({})


@_guarded
async def finish(request: Request) -> Response:
    """Check the complete file and take it in; asked again, give the same answer again."""
    upload = _find(request)
    if upload.offset != upload.size:
        raise UploadError(
            409, f"{upload.name} is not complete ({upload.offset} of {upload.size} bytes)."
        )
    if upload.finishing is None:
        upload.finishing = asyncio.create_task(_take_in(get_context(), upload))
    return JSONResponse(await asyncio.shield(upload.finishing))


async def _take_in(context: Context, upload: Upload) -> dict[str, Any]:
    try:
        if upload.kind == "measured":
            measured_id = await asyncio.to_thread(
                accept_measured, context.settings, upload.part, upload.name
            )
            return {"measured_id": measured_id, "name": upload.name}
        sha256 = await asyncio.to_thread(upload.sha256)
        slide = await asyncio.to_thread(
            accept_slide, context.settings, context.catalog, upload.part, upload.name, sha256
        )
    except HistospaceError:
        raise
    except Exception as error:
        _log.exception("Taking in upload %s failed", upload.id)
        raise UploadError(500, f"{upload.name} could not be taken in: see the log.") from error
    else:
        return {"slide_id": slide.id, "name": slide.name, "mpp": slide.mpp}
    finally:
        await asyncio.to_thread(context.uploads.close, upload)


async def _receive(request: Request, upload: Upload, turn: int) -> None:
    stream = aiter(request.stream())
    pending = bytearray()
    try:
        while True:
            try:
                pending += await asyncio.wait_for(anext(stream), STALL_S)
            except StopAsyncIteration:
                break
            except TimeoutError as error:
                raise UploadError(
                    408, "The connection stalled: the upload can be resumed."
                ) from error
            if len(pending) >= _WRITE_BYTES:
                data, pending = bytes(pending), bytearray()
                await upload.append(data, turn)
    finally:
        if pending:  # what arrived before a break need not be sent again
            await upload.append(bytes(pending), turn)


def _is_size(size: Any) -> TypeGuard[int]:
    return type(size) is int and abs(size) < 1 << 63


def _find(request: Request) -> Upload:
    return get_context().uploads.find(request.path_params["upload_id"])


async def _small_json(request: Request, limit: int = 16_384) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise UploadError(413, "The request is too long.")
    try:
        about = json.loads(bytes(body))
    except ValueError as error:
        raise UploadError(400, "The request is no JSON.") from error
    if not isinstance(about, dict):
        raise UploadError(400, "The request is no JSON object.")
    return about
