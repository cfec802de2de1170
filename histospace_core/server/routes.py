"""The HTTP routes that the app serves beside its pages, on the same port."""

from starlette.routing import BaseRoute, Route

from histospace_core.server import assets, downloads, tile_routes, upload_routes

# POST stands for another method where a proxy lets nothing else through: X-HTTP-Method-Override.
UPLOAD_METHODS = ["OPTIONS", "HEAD", "PATCH", "DELETE", "POST"]


def routes() -> list[BaseRoute]:
    """Return the routes that `app.py` mounts; data is served only with a signed token."""
    return [
        Route("/api/uploads", upload_routes.collection, methods=["OPTIONS", "POST"]),
        Route("/api/uploads/{upload_id}", upload_routes.upload, methods=UPLOAD_METHODS),
        Route("/api/uploads/{upload_id}/finish", upload_routes.finish, methods=["POST"]),
        Route("/api/slides/{slide_id}/image.jpg", downloads.slide_image, methods=["GET"]),
        Route("/api/slides/{slide_id}/tiles/{level}/{tile}.jpg", tile_routes.slide_tile),
        Route("/api/runs/{run_id}/layer/grid.json", tile_routes.grid),
        Route("/api/runs/{run_id}/layer/values.bin", tile_routes.values),
        Route("/api/assets/{version}/{path:path}", assets.asset),
        Route("/api/runs/{run_id}/files/{name}", downloads.run_file, methods=["GET"]),
    ]
