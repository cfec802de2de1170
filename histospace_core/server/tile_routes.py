"""Routes of the deep-zoom viewer: tiles of a slide, genes as values on their grid.

    GET /api/slides/{id}/tiles/{level}/{column}_{row}.jpg
    GET /api/runs/{id}/layer/grid.json                    edges of the grid, cells out of domain
    GET /api/runs/{id}/layer/values.bin                   ?gene; colour limits, rows x columns

Each needs the `token` that `slide_tiles` or `run_layer` returns, which is valid for one slide or
run; without it the answer is 404.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from histospace_core.errors import HistospaceError, StoreError
from histospace_core.server.context import get_context
from histospace_core.server.tiles import TileCache
from histospace_core.server.tokens import PARAMETER

# Without ASCII, \d matches the digits of all scripts.
_TILE = re.compile(r"(\d{1,6})_(\d{1,6})\Z", re.ASCII)
_LEVEL = re.compile(r"\d{1,2}\Z", re.ASCII)
_HEADERS = {
    "Cache-Control": "private, max-age=86400, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def slide_tiles(slide_id: str) -> tuple[str, str]:
    """Return the address of a slide's tiles and the token for it."""
    return f"/api/slides/{slide_id}/tiles", get_context().tokens.grant(f"tiles {slide_id}")


def run_layer(run_id: str) -> tuple[str, str]:
    """Return the address of a run's gene layers and the token for it."""
    return f"/api/runs/{run_id}/layer", get_context().tokens.grant(f"layer {run_id}")


async def slide_tile(request: Request) -> Response:
    """Serve a tile of a slide."""
    tiles, slide_id = _allowed(request, "tiles", "slide_id")
    place = _place(request)

    def make() -> bytes:
        tiles.slide(slide_id)  # so that a deleted slide is not served from the cache
        return tiles.slide_tile(slide_id, *place)

    return await _answer(request, make, "image/jpeg", slide_id, place)


async def grid(request: Request) -> Response:
    """Serve the edges of a run's grid and the indices of its out-of-domain cells."""
    tiles, run_id = _allowed(request, "layer", "run_id")

    def make() -> bytes:
        open_run = tiles.open_run(run_id)
        # NaN, where there is no tile, would count as nonzero.
        out_of_domain = np.flatnonzero(np.nan_to_num(open_run.grid.fill(open_run.out_of_domain)))
        edges = {"x": open_run.grid.x_edges.tolist(), "y": open_run.grid.y_edges.tolist()}
        return bytes(JSONResponse({**edges, "out_of_domain": out_of_domain.tolist()}).body)

    return await _answer(request, make, "application/json", run_id, "grid")


async def values(request: Request) -> Response:
    """Serve the values of a gene on the grid, little-endian.

    Two float64 colour limits come first, then float32 values, rows x columns, NaN where there is
    no tile.
    """
    tiles, run_id = _allowed(request, "layer", "run_id")
    gene = request.query_params.get("gene", "")

    def make() -> bytes:
        open_run, values = tiles.open_run(run_id), tiles.layer(run_id, gene)
        limits = np.array(open_run.limits(values), "<f8")
        # The float64 values come first: so both parts are aligned for the browser's typed arrays.
        return limits.tobytes() + values.astype("<f4").tobytes()

    return await _answer(request, make, "application/octet-stream", run_id, gene, "values")


def _allowed(request: Request, kind: str, name: str) -> tuple[TileCache, str]:
    context, owner = get_context(), request.path_params[name]
    if not context.tokens.allows(f"{kind} {owner}", request.query_params.get(PARAMETER, "")):
        raise HTTPException(404)
    return context.tiles, owner


def _place(request: Request) -> tuple[int, int, int]:
    tile = _TILE.match(request.path_params["tile"])
    level = _LEVEL.match(request.path_params["level"])
    if tile is None or level is None:
        raise HTTPException(404)
    return int(level[0]), int(tile[1]), int(tile[2])


async def _answer(
    request: Request, make: Callable[[], bytes], media_type: str, *what: Any
) -> Response:
    """Run `make` in a worker and answer with its result; `what` identifies it for the ETag."""
    digest = hashlib.sha256(repr(what).encode()).hexdigest()[:24]
    headers = {**_HEADERS, "ETag": f'"{digest}"'}
    loop = asyncio.get_running_loop()
    try:
        content = await loop.run_in_executor(get_context().tiles.workers, make)
    except (IndexError, StoreError) as error:
        raise HTTPException(404, str(error)) from error
    except HistospaceError as error:  # a damaged part of the slide
        raise HTTPException(422, str(error)) from error
    # Only after `make`: a deleted slide or run must answer 404.
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
