"""The picture of the rooms is that of the code."""

import importlib.util

from builders.checkout import PROJECT


def test_the_picture_is_drawn_from_todays_code() -> None:
    """`python docs/rooms.py` draws it anew."""
    spec = importlib.util.spec_from_file_location("rooms", PROJECT / "docs" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rooms)
    assert rooms.PICTURE.read_text("utf-8") == rooms.draw()
