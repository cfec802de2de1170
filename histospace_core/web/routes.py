"""Routes on the app's own port, beside the pages."""

from starlette.routing import BaseRoute, Route

from histospace_core.web import downloads, upload_routes


def routes() -> list[BaseRoute]:
    """Return the routes that `app.py` mounts; nothing here answers without a signed token."""
    return [
        Route("/api/uploads", upload_routes.create, methods=["POST"]),
        Route("/api/uploads/{upload_id}", upload_routes.offset, methods=["GET"]),
        Route("/api/uploads/{upload_id}", upload_routes.append, methods=["PUT"]),
        Route("/api/uploads/{upload_id}", upload_routes.cancel, methods=["DELETE"]),
        Route("/api/uploads/{upload_id}/finish", upload_routes.finish, methods=["POST"]),
        Route("/api/slides/{slide_id}/image.jpg", downloads.slide_image, methods=["GET"]),
        Route("/api/runs/{run_id}/files/{name}", downloads.run_file, methods=["GET"]),
    ]
