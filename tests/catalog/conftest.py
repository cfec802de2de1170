"""Catalogs to test on: SQLite always, and a real PostgreSQL where its server is installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, text

from histospace_core.catalog import Catalog, RunRow, SlideRow

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of this test session, reached through a socket only."""
    pytest.importorskip("psycopg", reason="PostgreSQL: the package psycopg is not installed")
    if not BINARIES:
        pytest.skip("PostgreSQL: no server under /usr/lib/postgresql (apt install postgresql)")
    # A socket's path may be 107 characters long: pytest's folders are too deep.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/hsXXXXXX"], text=True).strip())
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
    data = folder / "data"

    def postgres(program: str, *arguments: str) -> None:
        command = [*as_user, str(BINARIES[-1] / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)

    try:
        postgres("initdb", "-U", "histospace", "-A", "trust", "-N")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        postgres("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://histospace@/postgres?host={folder}"
        finally:
            postgres("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server: str = request.getfixturevalue("postgresql")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    """An empty catalog."""
    catalog = Catalog(url)
    catalog.migrate()
    yield catalog
    catalog.close()


class Filler:
    """Enters rows with as few words as a test needs."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.catalog, self.folder = catalog, folder

    def slide(self, name: str = "a.svs", sha256: str = "ab", mpp: float | None = 0.5) -> SlideRow:
        folder = self.folder / "slides" / f"{sha256:0>32}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "slide.svs"
        file.write_bytes(b"pixels")
        properties = SimpleNamespace(
            width=2220,
            height=2967,
            mpp=mpp,
            mpp_source=None if mpp is None else "file",
            vendor="aperio",
            reader="openslide",
        )
        return self.catalog.add_slide(file, name, sha256, properties, slide_id=folder.name)

    def run(self, slide: SlideRow | None = None, **settings: object) -> RunRow:
        slide_id = (slide or self.slide()).id
        return self.catalog.add_run(slide_id, "m", dict(settings), runs_dir=self.folder / "runs")


@pytest.fixture
def fill(catalog: Catalog, tmp_path: Path) -> Filler:
    """Enter slides and runs into `catalog`."""
    return Filler(catalog, tmp_path)
