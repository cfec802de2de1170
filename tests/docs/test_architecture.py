"""The page on the architecture agrees with the code."""

import importlib.util
import re
from pkgutil import resolve_name

from builders.checkout import PROJECT


def test_the_picture_is_drawn_from_todays_code() -> None:
    """`python docs/rooms.py` redraws it."""
    spec = importlib.util.spec_from_file_location("rooms", PROJECT / "docs" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rooms)
    assert rooms.PICTURE.read_text("utf-8") == rooms.draw()


def test_the_hops_of_the_page_exist() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    names = re.findall(r"`([a-z_]+(?:\.\w+)+)`", "\n".join(rows))
    hops = [name for name in names if not name.endswith((".py", ".json", ".csv"))]
    assert len(hops) > 15
    for hop in hops:
        resolve_name(f"histospace_core.{hop}")
