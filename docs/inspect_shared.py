"""Inspect the real data beside the checkout: `python -m docs.inspect_shared`."""

import argparse
from pathlib import Path

from histospace_core.inspection.inspect import inspect_path

DOCS = Path(__file__).parent
SHARED = DOCS.parent.parent / "shared"
FILES = (
    "slides/CMU-1-Small-Region.svs",
    "slides/TCGA-CR-7395-01A-01-TS1.svs",
    "slides/test3-DAPI-2-387.ndpi",
    "slides/boxes.tiff",
    "slides/boxes_0.dcm",
    "slides/small.svs",
    "slides/unopenable.tiff",
    "slides/unreadable.svs",
    "her2st/ST-imgs/C/C2/5714_HE_BT_C2.jpg",
    "her2st/ST-cnts/C2.tsv.gz",
    "her2st/ST-cnts/C2.tsv.gz + her2st/ST-spotfiles/C2_selection.tsv",
    "her2st/ST-spotfiles/C2_selection.tsv",
    "her2st_counts/B1.tsv.gz",
    "mouse_olfactory_bulb/Rep9.jpg",
    "mouse_olfactory_bulb/Rep9.tsv.gz + mouse_olfactory_bulb/Rep9_selection.tsv",
    "mouse_olfactory_bulb/Rep9_annotations.tsv",
    "visium_mouse_brain",
    "visium_mouse_brain/V1_Adult_Mouse_Brain_image_small.tif",
    "visium_mouse_brain/scalefactors_json.json",
    "visium_mouse_brain/tissue_lowres_image.png",
    "visium_mouse_brain/tissue_positions_list.csv",
    "visium_mouse_brain/visium_DG_expr.txt.gz",
)
"""What is inspected; after a plus, the spot file of a table of counts."""

HEAD = """# What a file is

`histospace inspect PATH` says what a file or folder is by its content, what it holds, and whether
HistoSPACE can use it:

    histospace inspect slide.svs
    histospace inspect C2.tsv.gz --spots C2_selection.tsv
    histospace inspect outs --json

It reads with the readers of `predict` and `compare`, in a process of its own, so it says what they
would say. The exit code is 0 if they accept the file, and 2 if they refuse it; what is known is
printed in either case. `--series`, `--sample`, `--bin` and `--library` choose where there are
several. On *Predict* and *Compare* the same text is under *What this file is*.

The text is made to be pasted into a question. It names files without their folders, and nothing
that may identify a patient: label and macro images, comments, dates and names are listed by kind,
and not shown. A file's own name is shown; look at it before you paste.

Below is what it says about public files. `python -m docs.inspect_shared` makes this page.
"""


def section(entry: str, shared: Path = SHARED) -> str:
    """Return what `histospace inspect` says about one of `FILES`, without the line of versions."""
    path, _, spots = entry.partition(" + ")
    found = inspect_path(shared / path, shared / spots if spots else None)
    found.versions = {}
    names = " with ".join(f"`{part.rpartition('/')[2]}`" for part in entry.split(" + "))
    return f"## {names}\n\n```text\n{found.text().rstrip()}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=SHARED)
    shared = parser.parse_args().shared
    parts = [section(entry, shared) for entry in FILES]
    (DOCS / "inspect.md").write_text("\n".join([HEAD, *parts]), "utf-8")


if __name__ == "__main__":
    main()
