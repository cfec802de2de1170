"""A real section of the public her2st data, fetched when a user asks for it.

Andersson et al. 2021, Nature Communications 12:6012. Sizes and SHA-256 are pinned: what arrives is
what this project was tested on, or it is refused.
"""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from histospace_core.errors import HistospaceError, StoreError

MPP = 0.69  # spots are 200 um apart, about 290 px
pooch.get_logger().setLevel(logging.WARNING)  # no "Downloading data from ..." on stderr
CHUNK = 2**16
TIMEOUT_S = 30


class DownloadError(HistospaceError):
    """A file cannot be fetched, or is not the one that was asked for."""


@dataclass(frozen=True)
class Pinned:
    """A file of the public repository: path under its `data/` folder, bytes, SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Section:
    """A downloaded section; `read_measured(counts, spots)` reads its counts."""

    name: str
    image: Path
    counts: Path
    spots: Path
    mpp: float = MPP


# section -> image, counts, spots
SECTIONS: dict[str, tuple[Pinned, Pinned, Pinned]] = {
    "B4": (
        Pinned(
            "ST-imgs/B/B4/BT10737_D2_HE.jpg",
            4_076_552,
            "3cb165614ce2a13426381e450220dccac980cc9bda6a90fb041c28ca0e2c753d",
        ),
        Pinned(
            "ST-cnts/B4.tsv.gz",
            563_881,
            "e38231c2a38c9bc7e6d550eec0e527c1869ee0e525fc913e708d1323c34f5ebb",
        ),
        Pinned(
            "ST-spotfiles/B4_selection.tsv",
            10_560,
            "192b46f3ca414c85753a01a4fb5760a697ca6c0a1aadb949c4687cc6efa9faa0",
        ),
    ),
    "C2": (
        Pinned(
            "ST-imgs/C/C2/5714_HE_BT_C2.jpg",
            3_990_230,
            "26e2f73ae840cdd46c5bba405aae181f13a56a376b9848dff23f7a9c5de7f19e",
        ),
        Pinned(
            "ST-cnts/C2.tsv.gz",
            821_408,
            "c1c59ea6cffae36b9ecb561b8e2a97e3aa5f4085f748e991a0e330ed9d09773d",
        ),
        Pinned(
            "ST-spotfiles/C2_selection.tsv",
            7_053,
            "235b5f4306b3b57c628ffc82c98c7109602474fbcc79a917b9c50517f99b6b1c",
        ),
    ),
    "C3": (
        Pinned(
            "ST-imgs/C/C3/5714_HE_BT_D1.jpg",
            3_915_842,
            "0005a92674014d473040a28f0afca89ce5fa5c44019b479b638ceb3272ceb568",
        ),
        Pinned(
            "ST-cnts/C3.tsv.gz",
            847_901,
            "e00c55a3eb9caac5d9c71b8906aae8be8b38f93e23938f4a0ebee17683ef6a2a",
        ),
        Pinned(
            "ST-spotfiles/C3_selection.tsv",
            6_728,
            "7fd76c13370b7804ac3bb377b846d22485cf9223f9dd8dfc25be06e5aaf65755",
        ),
    ),
    "C4": (
        Pinned(
            "ST-imgs/C/C4/5714_HE_BT_D2.jpg",
            3_806_070,
            "f40607eb1d5f0d125decd71c48b0c5d29cf6776ad92297fd185631208c82d6f2",
        ),
        Pinned(
            "ST-cnts/C4.tsv.gz",
            886_246,
            "33201f76d41d7131dc600a0f87d9a70383af3503e81698b4d11e6f2e8d73e9da",
        ),
        Pinned(
            "ST-spotfiles/C4_selection.tsv",
            6_960,
            "47e79f3b9dbfa3a8c18af9e948ba7ba4bf0a75ea1b4c292bc714ced7d0917d4c",
        ),
    ),
    "C5": (
        Pinned(
            "ST-imgs/C/C5/5714_HE_BT_E1.jpg",
            3_719_130,
            "34028ea41e376396b50c42b0a11a7e689c85be4a8022e668d0a09cc128c04c65",
        ),
        Pinned(
            "ST-cnts/C5.tsv.gz",
            845_308,
            "c0f310315ca6110d74dbdf7011e5b42432ba0b8eb5f001824764911988f39338",
        ),
        Pinned(
            "ST-spotfiles/C5_selection.tsv",
            6_802,
            "2114cc3b4da759772112897f1e247d5443c9f8c808e6a9a952eb4fda379a194c",
        ),
    ),
}


def download_her2st(
    section: str,
    folder: str | Path,
    base_url: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Section:
    """Fetch image, counts and spots of one section into `folder`.

    Files that are already there and whole are not fetched again. All three appear, or none.

    Parameters
    ----------
    section : a name in `SECTIONS`.
    folder : made if absent.
    base_url : of the repository's `data/` folder, or of a mirror laid out like it.
    on_progress : called with bytes done and bytes in all; may raise to stop.

    Raises
    ------
    DownloadError
        Unknown section, no network, the server does not have the file, or another file came.
    StoreError
        The folder cannot be written.
    """
    if section not in SECTIONS:
        raise DownloadError(f"Section {section!r} is not known; choose {', '.join(SECTIONS)}.")
    folder, files = Path(folder), SECTIONS[section]
    progress = _Progress(sum(file.size for file in files), on_progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as work:
            fetched = [f for f in files if not _is_whole(folder / Path(f.path).name, f, progress)]
            for file in fetched:
                _fetch(file, Path(work), base_url, progress)
            for file in fetched:
                name = Path(file.path).name
                (Path(work) / name).replace(folder / name)
    except OSError as error:
        raise StoreError(
            f"{folder.name}: section {section} cannot be stored ({error.strerror or error}); make "
            "room on the disk or choose another folder."
        ) from error
    image, counts, spots = (folder / Path(file.path).name for file in files)
    return Section(section, image, counts, spots)


def _is_whole(path: Path, file: Pinned, progress: "_Progress") -> bool:
    whole = path.is_file() and pooch.file_hash(str(path)) == file.sha256
    if whole:
        progress.finish(file)
    return whole


def _fetch(file: Pinned, folder: Path, base_url: str, progress: "_Progress") -> None:
    name = Path(file.path).name
    progress.begin(file)
    try:
        pooch.retrieve(
            f"{base_url.rstrip('/')}/{file.path}",
            known_hash=f"sha256:{file.sha256}",
            fname=name,
            path=folder,
            downloader=pooch.HTTPDownloader(
                progressbar=progress, chunk_size=CHUNK, timeout=TIMEOUT_S
            ),
        )
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "with an error"
        raise DownloadError(
            f"{name}: the server answers {status}; check the address of the her2st data "
            "(HISTOSPACE_HER2ST_URL) or try later."
        ) from error
    except requests.RequestException as error:
        raise DownloadError(
            f"{name}: the server cannot be reached; connect to the network, or use the phantom "
            "sample, which needs none."
        ) from error
    except ValueError as error:  # pooch's word for another hash
        raise DownloadError(
            f"{name}: the server sent another file than the pinned one (its SHA-256 differs); "
            "nothing was kept, try again or use another mirror."
        ) from error
    progress.finish(file)


class _Progress:
    """What pooch takes for a progress bar: counts bytes over several files, and stops floods."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        self.total = 0  # pooch sets it to the length of the file that the server declares
        self._all, self._report = total, report
        self._done = self._here = self._expected = 0

    def begin(self, file: Pinned) -> None:
        self._here, self._expected = 0, file.size

    def update(self, n_bytes: int) -> None:
        """Take note of a chunk (the last one may be shorter than pooch says)."""
        self._here += n_bytes
        if self._here > self._expected + CHUNK:
            raise ValueError("more bytes than the pinned file has")
        self._tell(self._done + min(self._here, self._expected))

    def finish(self, file: Pinned) -> None:
        self._done += file.size
        self._here = self._expected = 0
        self._tell(self._done)

    def reset(self) -> None:
        """Forget the bytes of this file; pooch then adds its whole length."""
        self._here = 0

    def close(self) -> None:
        """Nothing to close."""

    def _tell(self, done: int) -> None:
        if self._report is not None:
            self._report(done, self._all)
