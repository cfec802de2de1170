"""Routes for resumable uploads: tus 1.0.0, and a last request that accepts the complete file.

    OPTIONS /api/uploads              version, extensions and the largest upload
    POST    /api/uploads              Upload-Length, Upload-Metadata: filename, kind -> Location
    HEAD    /api/uploads/{id}         -> Upload-Offset, Upload-Length
    PATCH   /api/uploads/{id}         a chunk at Upload-Offset -> the new Upload-Offset
    DELETE  /api/uploads/{id}         cancel the upload
    POST    /api/uploads/{id}/finish  -> {slide_id, …}, {measured_id, …} or {upload_id, …}

`finish` is ours: checking a slide may take longer than a client waits for the answer to a PATCH.
Its answer names the upload itself if the file holds several images, until a page has chosen one.
Every request but OPTIONS needs the header X-Histospace-Token. A refusal is {error: sentence}.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from histospace_core.errors import HistospaceError
from histospace_core.server import tus
from histospace_core.server.context import Context, get_context
from histospace_core.server.measured_files import accept_measured
from histospace_core.server.slide_uploads import take_slide
from histospace_core.server.uploads import KEEP_S, KINDS, Upload, UploadError

PURPOSE = "upload"
TOKEN_HEADER = "X-Histospace-Token"  # noqa: S105 (a header's name)
STALL_S = 30.0  # a request that sends nothing for this long is ended; the upload can be resumed
_WRITE_BYTES = 1 << 20  # a request arrives in small pieces, and each write costs a change of thread
_log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def _answering(handler: Handler) -> Handler:
    """Turn errors into answers, and name the protocol's version in every answer."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        response = await _answer_or_error(handler, request)
        response.headers["Tus-Resumable"] = tus.VERSION
        return response

    return answer


async def _answer_or_error(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except UploadError as error:
        # They tell the client which version, or how many bytes, the server accepts.
        headers = _capabilities() if error.status in (412, 413) else None
        return JSONResponse({"error": str(error)}, error.status, headers)
    except HistospaceError as error:
        return JSONResponse({"error": str(error)}, 422)
    except ClientDisconnect:
        return Response(status_code=499)  # the client is gone; nobody receives this


@_answering
async def collection(request: Request) -> Response:
    """Answer OPTIONS, and begin an upload on POST."""
    return await _dispatch(request, {"POST": _create})


@_answering
async def upload(request: Request) -> Response:
    """Answer for one upload: its offset, another chunk, its end."""
    return await _dispatch(request, {"HEAD": _offset, "PATCH": _append, "DELETE": _cancel})


async def _dispatch(request: Request, handlers: Mapping[str, Handler]) -> Response:
    method = tus.method(request.method, request.headers)
    if method == "OPTIONS":
        return Response(status_code=204, headers=_capabilities())
    _check_sender(request)
    tus.require_version(request.headers)
    if method not in handlers:
        allowed = ", ".join(["OPTIONS", *handlers])
        return JSONResponse({"error": f"Use one of {allowed} here."}, 405, {"Allow": allowed})
    return await handlers[method](request)


def _capabilities() -> dict[str, str]:
    return tus.capabilities(get_context().settings.upload_max_bytes)


def _check_sender(request: Request) -> None:
    """Refuse requests from other sites' pages, which a browser marks, and those without a token."""
    origin = request.headers.get("origin")
    cross_origin = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    # Older browsers, and other programs, do not send `sec-fetch-site`.
    if cross_origin or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise UploadError(403, "Uploads are accepted only from this app's own pages.")
    if not get_context().tokens.allows(PURPOSE, request.headers.get(TOKEN_HEADER, "")):
        raise UploadError(403, "This page has expired: reload it and try again.")


async def _create(request: Request) -> Response:
    """Begin an upload; the request may already carry the first chunk."""
    size = tus.byte_count(request.headers, "Upload-Length")
    encoded = request.headers.get("Upload-Metadata", "")
    metadata = tus.decode_metadata(encoded)
    name, kind = metadata.get("filename", ""), metadata.get("kind", "")
    if not name or kind not in KINDS:
        raise UploadError(
            400, "Upload-Metadata must state a filename, and a kind: slide or measured."
        )
    upload = await asyncio.to_thread(get_context().uploads.create, name, size, kind, encoded)
    if request.headers.get("Content-Type") == tus.CHUNK_TYPE:
        await _receive(request, upload, offset=0)
    location = f"{request.url.path}/{upload.id}"  # no host, for a proxy may use another
    return Response(status_code=201, headers={"Location": location, **_progress(upload)})


async def _offset(request: Request) -> Response:
    upload = _find(request)
    headers = {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.size)}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    # tus asks for `no-store`.
    return Response(status_code=200, headers={**headers, "Cache-Control": "no-store"})


async def _append(request: Request) -> Response:
    upload = _find(request)
    tus.require_chunk_type(request.headers)
    await _receive(request, upload, tus.byte_count(request.headers, "Upload-Offset"))
    return Response(status_code=204, headers=_progress(upload))


def _progress(upload: Upload) -> dict[str, str]:
    expires = tus.http_date(time.time() + KEEP_S)
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": expires}


async def _cancel(request: Request) -> Response:
    upload = _find(request)
    if upload.finishing is None:
        upload.revoke()
        await asyncio.to_thread(get_context().uploads.close, upload)
    return Response(status_code=204)


@_answering
async def finish(request: Request) -> Response:
    """Check the complete file and move it into the store; repeated requests get the same answer."""
    _check_sender(request)
    upload = _find(request)
    if upload.offset != upload.size:
        raise UploadError(
            409, f"{upload.name} is not complete ({upload.offset} of {upload.size} bytes)."
        )
    if upload.finishing is None:
        upload.finishing = asyncio.create_task(_store(get_context(), upload))
    # A client that hangs up must not stop the storing.
    return JSONResponse(await asyncio.shield(upload.finishing))


async def _store(context: Context, upload: Upload) -> dict[str, Any]:
    undecided = {"upload_id": upload.id, "name": upload.name}
    if upload.images:
        return undecided
    try:
        if upload.kind == "measured":
            measured_id = await asyncio.to_thread(
                accept_measured, context.settings, upload.part, upload.name
            )
            return {"measured_id": measured_id, "name": upload.name}
        slide = await asyncio.to_thread(take_slide, context, upload)
    except HistospaceError:
        raise
    except Exception as error:
        _log.exception("Storing upload %s failed", upload.id)
        raise UploadError(500, f"{upload.name} could not be stored: see the log.") from error
    else:
        if slide is None:
            return undecided
        return {"slide_id": slide.id, "name": slide.name, "mpp": slide.mpp}
    finally:
        if not upload.images:
            await asyncio.to_thread(context.uploads.close, upload)


async def _receive(request: Request, upload: Upload, offset: int) -> None:
    """Append the request's body as it arrives; what arrived before a broken connection is kept."""
    writer = await upload.begin_writing(offset)
    if int(request.headers.get("content-length", 0)) > upload.size - upload.offset:
        raise UploadError(413, f"{upload.name} is longer than the {upload.size} bytes announced.")
    try:
        await _write_body(request, upload, writer)
    except UploadError as error:
        if error.status == 507:
            get_context().uploads.close(upload)  # free the space for others at once
        raise


async def _write_body(request: Request, upload: Upload, writer: int) -> None:
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
                await upload.append(data, writer)
    finally:
        if pending:
            await upload.append(bytes(pending), writer)


def _find(request: Request) -> Upload:
    return get_context().uploads.find(request.path_params["upload_id"])
