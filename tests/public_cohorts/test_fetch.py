"""What holds for every source: names, folders, the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders.public_data import make_stnet
from builders.range_server import Files

from histospace_core.errors import CohortError
from histospace_core.public_cohorts import SOURCES, fetch_cohort
from histospace_core.public_cohorts.fetch import COLUMNS
from histospace_core.training.cohort import COLUMNS as READ


def histospace(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "histospace_core", "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_table_is_the_one_that_is_read() -> None:
    assert COLUMNS == READ


@pytest.mark.parametrize("name", ["", "hisst", "HEST:TENX1", "her2st-2", "../her2st"])
def test_unknown_names(folder: Path, name: str) -> None:
    with pytest.raises(CohortError, match=r"There is no public cohort .*; choose e\.g\. her2st"):
        fetch_cohort(name, folder)
    assert not folder.exists()


def test_every_source_says_where_it_is_from() -> None:
    assert list(SOURCES) == ["her2st", "stnet", "10x-visium", "hest"]
    for source in SOURCES.values():
        assert source.base_url.startswith("https://")
        assert source.page.startswith("https://")
        assert source.licence.startswith("unverified")
        assert source.citation


def test_a_folder_of_something_else_is_left_alone(server: Files, folder: Path) -> None:
    make_stnet(server.folder, server.address)
    base = f"{server.address}/29ntw7sh4r"
    table = fetch_cohort("stnet:BC23903", folder, base).table.read_bytes()
    with pytest.raises(CohortError, match="holds the cohort stnet:BC23903; choose a new folder"):
        fetch_cohort("stnet:BC23287", folder, base)
    assert (folder / "cohort.csv").read_bytes() == table
    own = folder.with_name("own")
    own.mkdir()
    (own / "cohort.csv").write_text("mine")
    with pytest.raises(CohortError, match="holds a cohort of another origin"):
        fetch_cohort("stnet", own, base)
    (own.with_name("file")).write_text("mine")
    with pytest.raises(CohortError, match="is a file; choose a new folder"):
        fetch_cohort("stnet", own.with_name("file"), base)


def test_the_list() -> None:
    done = histospace("list")
    assert done.returncode == 0, done.stderr
    for source in SOURCES.values():
        assert source.example in done.stdout
        assert source.page in done.stdout


def test_the_command_line(server: Files, folder: Path) -> None:
    make_stnet(server.folder, server.address)
    base = f"{server.address}/29ntw7sh4r"
    done = histospace("fetch", "stnet:BT23903", "--out", folder, "--base-url", base)
    assert done.returncode == 0, done.stderr
    assert "BC23903_D1: " in done.stdout
    assert "no other orientation fits as well" in done.stdout
    assert f"{folder}/cohort.csv (sections: 1, patients: 1)" in done.stdout
    assert (folder / "cohort.csv").read_text().startswith("section,patient,image,counts,spots,mpp")
    done = histospace("fetch", "stnet", "--out", folder.with_name("b"), "--base-url", f"{base}x")
    assert done.returncode == 2
    assert "there is no such file" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not folder.with_name("b").exists()
