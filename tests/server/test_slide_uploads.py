"""An uploaded slide file of several images waits for the user's choice."""

import os
import time
from pathlib import Path

import pytest
from builders.serving import Server, serve
from builders.slide_files import make_two_series

from histospace_core.errors import SlideError
from histospace_core.server.slide_uploads import take_slide


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return make_two_series(tmp_path / "two.ome.tif", side=800).read_bytes()


def test_it_is_kept_until_an_image_is_chosen(data: bytes, tmp_path: Path) -> None:
    with serve(tmp_path / "store") as server:
        answer = server.upload("case 7.ome.tif", data).json()
        (upload,) = server.context.uploads.undecided()
        assert answer == {"upload_id": upload.id, "name": "case 7.ome.tif"}
        assert server.finish(f"/api/uploads/{upload.id}").json() == answer
    with serve(tmp_path / "store") as server:  # a restart forgets nothing
        (upload,) = server.context.uploads.undecided()
        assert (upload.name, upload.images) == ("case 7.ome.tif", ("left", "right"))
        with pytest.raises(SlideError, match="holds no series 'middle'"):
            take_slide(server.context, upload, "middle")
        assert server.context.uploads.undecided() == [upload], "another image can be chosen"
        slide = take_slide(server.context, upload, "right")
        assert slide is not None
        assert (slide.name, slide.series, slide.width) == ("case 7.ome.tif", "right", 700)
        assert slide.file.read_bytes() == data
        assert server.context.uploads.undecided() == []
        assert server.leftovers() == []
        assert server.context.tiles.slide(slide.id).pyramid.width == 700, "the viewer's, too"


def test_it_can_be_cancelled_and_expires(server: Server, data: bytes) -> None:
    uploads = server.context.uploads
    for end in ("cancel", "expire"):
        upload = uploads.find(server.upload("two.ome.tif", data).json()["upload_id"])
        if end == "cancel":
            assert server.client.delete(f"/api/uploads/{upload.id}").status_code == 204
        else:
            for file in [upload.folder, *upload.folder.iterdir()]:
                os.utime(file, (time.time() - 90_000, time.time() - 90_000))
            assert uploads.delete_expired() == 1
        assert uploads.undecided() == []
        assert server.leftovers() == []
