"""her2st: pinned sections, the listing for the others, and the sample of the app."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.range_server import Files, serving

from histospace_core.errors import CohortError
from histospace_core.expression import read_measured
from histospace_core.public_cohorts import DownloadError, fetch_cohort
from histospace_core.public_cohorts.her2st import fetch_section, pinned_files
from histospace_core.public_cohorts.her2st_pins import PINNED
from histospace_core.training import read_cohort


@pytest.fixture
def her2st(shared: Path) -> Iterator[Files]:
    with serving(shared / "her2st") as files:
        yield files


@pytest.mark.shared
@pytest.mark.slow
def test_sections_become_a_cohort_and_a_second_fetch_downloads_nothing(
    her2st: Files, folder: Path
) -> None:
    fetched = fetch_cohort("her2st:B4,C5", folder, her2st.address)
    assert [c.orientation for c in fetched.checked] == ["as given", "as given"]
    sections = read_cohort(fetched.table)
    assert [(s.name, s.patient, s.mpp) for s in sections] == [("B4", "B", 0.69), ("C5", "C", 0.69)]
    assert [read_measured(s.counts, s.spots).n_obs for s in sections] == [283, 181]
    about = (folder / "SOURCE.md").read_text()
    for told in ("Andersson", "Licence: unverified", "smaller image", "Orientation that fits: as"):
        assert told in about
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, path = line.split("  ")
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == digest
    assert not (folder / ".partial").exists()

    n, table = len(her2st.log), fetched.table.read_bytes()
    fetch_cohort("her2st:B4,C5", folder, her2st.address)
    assert len(her2st.log) == n
    assert fetched.table.read_bytes() == table


@pytest.mark.shared
def test_every_pin_is_that_of_the_data(shared: Path) -> None:
    readme = (shared / "her2st" / "README.md").read_text()
    assert list(PINNED) == ["B4", "C2", "C3", "C4", "C5"]
    for files in PINNED.values():
        for path, size, sha256 in files:
            file = shared / "her2st" / path
            assert file.stat().st_size == size
            assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256
        image, _, sha256 = files[0]
        assert f"{sha256}  {image.removeprefix('ST-imgs/')}" in readme


@pytest.mark.shared
def test_the_sample_of_the_app(her2st: Files, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    section = fetch_section(
        "C5", folder, her2st.address, lambda now: seen.append((now.done, now.total))
    )
    assert read_measured(folder / section.counts, folder / section.spots).n_obs == 181
    assert (folder / section.image).stat().st_size == PINNED["C5"][0][1]
    assert seen[-1][0] == seen[-1][1] == sum(size for _, size, _ in PINNED["C5"])
    (folder / section.spots).write_text("spoilt")
    fetch_section("C5", folder, her2st.address)
    assert [r.path for r in her2st.gets()[3:]] == ["ST-spotfiles/C5_selection.tsv"]
    fetch_section("C5", folder, "http://127.0.0.1:9/nobody-is-asked")


@pytest.mark.shared
def test_sections_that_are_not_pinned_are_found_in_the_listing(
    server: Files, folder: Path, shared: Path
) -> None:
    """Section C6 here is C5 by another name; git's ids are its checksums."""
    tree = []
    for original, path in zip(
        pinned_files("C5", ""),
        ("ST-imgs/C/C6/5714_HE_BT_E2.jpg", "ST-cnts/C6.tsv.gz", "ST-spotfiles/C6_selection.tsv"),
        strict=True,
    ):
        content = (shared / "her2st" / original.path).read_bytes()
        (server.folder / path).parent.mkdir(parents=True)
        (server.folder / path).write_bytes(content)
        sha = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"path": f"data/{path}", "type": "blob", "size": len(content), "sha": sha}
        tree.append(entry)
    (server.folder / "tree.json").write_text(json.dumps({"tree": tree}))
    fetched = fetch_cohort("her2st", folder, server.address)
    assert [(s.name, s.patient) for s in read_cohort(fetched.table)] == [("C6", "C")]
    with pytest.raises(CohortError, match="her2st has no section 'A1'; it has C6"):
        fetch_cohort("her2st:A1", folder.with_name("other"), server.address)
    (folder / "ST-cnts/C6.tsv.gz").write_bytes(b"spoilt")
    tree[1]["sha"] = "0" * 40
    (folder / "tree.json").write_text(json.dumps({"tree": tree}))
    with pytest.raises(DownloadError, match=r"C6\.tsv\.gz: the server sent another file"):
        fetch_cohort("her2st", folder, server.address)


def test_a_listing_of_another_form(server: Files, folder: Path) -> None:
    (server.folder / "tree.json").write_text('{"message": "rate limit"}')
    with pytest.raises(CohortError, match="fetch the pinned sections instead: her2st:B4,C2,"):
        fetch_cohort("her2st", folder, server.address)


def test_another_file_leaves_nothing(server: Files, folder: Path) -> None:
    for path, size, _ in PINNED["C5"]:
        (server.folder / path).parent.mkdir(parents=True)
        (server.folder / path).write_bytes(b"0" * size)
    with pytest.raises(DownloadError, match="another file than the pinned one"):
        fetch_cohort("her2st:C5", folder, server.address)
    assert not folder.exists()


def test_unknown_section(folder: Path) -> None:
    with pytest.raises(CohortError, match="her2st has no section 'Z9'; sections are A1 to H3"):
        fetch_cohort("her2st:Z9", folder)
