"""Draw the rooms of the code, floor by floor: `python docs/rooms.py` writes `images/rooms.svg`.

The floors come from the import-linter contract in `pyproject.toml`, and the text of a room from the
first paragraph of its docstring, so the picture always agrees with the code.
"""

import ast
import tomllib
from html import escape
from pathlib import Path
from textwrap import wrap

PROJECT = Path(__file__).resolve().parent.parent
PICTURE = PROJECT / "docs" / "images" / "rooms.svg"
WIDTH, GAP, LINE, MARGIN = 1180, 10, 17, 16
STYLE = """
rect { fill: #f5eff3; stroke: #8a3a7b; rx: 6 }
text { font: 13px sans-serif; fill: #120c1a }
.name { font-weight: 600; fill: #7a2f6c }
.floor { fill: #6b6570; text-anchor: middle }
"""


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the top floor first."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    contract = next(c for c in settings["tool"]["importlinter"]["contracts"] if "layers" in c)
    inside = [[room.strip() for room in floor.split("|")] for floor in contract["layers"]]
    return [["pages", "app"], *(floor for floor in inside if floor != ["__main__"])]


def purpose(room: str) -> str:
    """Return the first paragraph of a room's docstring."""
    if room == "pages":
        return "One file for each screen: it reads widgets, calls the core and shows figures."
    if room == "app":
        return "The ASGI entry: serves Streamlit's pages and our routes on one port."
    base = PROJECT / "histospace_core" / room
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].replace("`", "").split())


def draw() -> str:
    """Return the picture as SVG."""
    parts, y = [], MARGIN
    for floor in floors():
        width = (WIDTH - 2 * MARGIN - GAP * (len(floor) - 1)) / len(floor)
        words = [wrap(purpose(room), int(width / 7.4)) for room in floor]
        height = LINE * (1 + max(map(len, words))) + 14
        for place, (room, lines) in enumerate(zip(floor, words, strict=True)):
            x = MARGIN + place * (width + GAP)
            parts.append(f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{height}"/>')
            for row, line in enumerate([room, *lines]):
                kind = ' class="name"' if row == 0 else ""
                at = f'x="{x + 10:.0f}" y="{y + LINE * (row + 1) + 2}"'
                parts.append(f"<text {at}{kind}>{escape(line)}</text>")
        y += height + GAP
    caption = "A room imports only from the floors below its own."
    parts.append(f'<text x="{WIDTH / 2}" y="{y + 8}" class="floor">{caption}</text>')
    size = f'viewBox="0 0 {WIDTH} {y + 22}" width="{WIDTH}" height="{y + 22}"'
    title = "<title>The rooms of HistoSPACE, floor by floor</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{title}'
    paper = '<rect x="0" y="0" width="100%" height="100%" style="fill:#fffdfb;stroke:none"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
