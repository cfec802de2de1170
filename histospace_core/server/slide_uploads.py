"""Complete uploads of slides: taken into the store, or kept until the user chooses an image."""

from histospace_core.catalog import SlideRow
from histospace_core.catalog.intake import accept_slide
from histospace_core.errors import SlideError
from histospace_core.server.context import Context
from histospace_core.server.uploads import Upload


def take_slide(context: Context, upload: Upload, series: str | None = None) -> SlideRow | None:
    """Take a complete upload into the store, and delete the upload.

    Parameters
    ----------
    context
    upload
    series
        Which image to read, where the file holds several.

    Returns
    -------
    The slide; None if the user must first choose one of its images. The upload is then kept among
    the `undecided` ones.

    Raises
    ------
    SlideError
        The file is refused. It is kept only if the user can choose another of its images.
    """
    keep = bool(upload.images)
    try:
        slide = accept_slide(
            context.settings,
            context.catalog,
            upload.part,
            upload.name,
            upload.sha256(),
            series=series,
        )
    except SlideError as error:
        if error.alternatives is None or series is not None:
            raise
        context.uploads.ask(upload, error.alternatives.names)
        keep = True
        return None
    else:
        keep = False
        return slide
    finally:
        if not keep:
            context.uploads.close(upload)
