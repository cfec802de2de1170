"""How the catalog fails: one sentence each, nothing changed."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from histospace_core.catalog import Catalog
from histospace_core.errors import StoreError

DISK_FULL = """
import resource, sys
from pathlib import Path
from histospace_core.catalog import Catalog
from histospace_core.errors import StoreError
catalog = Catalog(sys.argv[1])
catalog.migrate()
catalog.add_model("kept", "01", Path(), {})
size = sum(f.stat().st_size for f in Path(sys.argv[2]).iterdir())
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for i in range(1000):
        catalog.add_model(f"m{i}", "02", Path(), {"text": "x" * 10_000})
except StoreError as error:
    print(error)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def new_catalog(file: Path, **options: float) -> Catalog:
    return Catalog(f"sqlite:///{file}", **options)


def test_sqlite_is_set_up_for_several_processes(file: Path) -> None:
    catalog = new_catalog(file)
    catalog.migrate()
    with catalog.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 15000
    with pytest.raises(IntegrityError), catalog.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO comparisons (id, run_id, measured_name, folder, summary, created_at) "
                "VALUES ('a', 'no such run', '', '', '{}', '2026-01-01')"
            )
        )
    catalog.close()


def test_many_writers_wait_for_each_other(file: Path) -> None:
    catalog = new_catalog(file)
    catalog.migrate()
    others = [new_catalog(file) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda c=c, i=i: [c.add_model(f"{i}-{k}", "01", file, {}) for k in range(25)]
        )
        for i, c in enumerate(others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(catalog.models()) == 100
    for each in (catalog, *others):
        each.close()


def test_locked(file: Path) -> None:
    catalog = new_catalog(file, busy_timeout_s=0.05)
    catalog.migrate()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"catalog\.db is in use by another program: try again"):
        catalog.add_model("m", "01", file, {})
    assert list(catalog.models()) == []  # WAL: readers are not held up
    other.execute("ROLLBACK")
    other.close()
    catalog.add_model("m", "01", file, {})
    catalog.close()


def test_read_only(file: Path) -> None:
    catalog = new_catalog(file)
    catalog.migrate()
    catalog.close()
    catalog = Catalog(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert list(catalog.slides()) == []
    with pytest.raises(StoreError, match="is read-only: give this account the right"):
        catalog.add_model("m", "01", file, {})
    catalog.close()


@pytest.mark.parametrize("junk", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_damaged(file: Path, junk: bytes) -> None:
    file.write_bytes(junk)
    catalog = new_catalog(file)
    with pytest.raises(StoreError, match=r"catalog\.db is (not a catalog|damaged): restore it"):
        catalog.migrate()
    catalog.close()
    assert file.read_bytes() == junk


def test_no_tables_yet(file: Path) -> None:
    catalog = new_catalog(file)
    with pytest.raises(StoreError, match="has no tables yet: start the app once"):
        catalog.slides()
    catalog.close()


def test_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another with HISTOSPACE_STORE"):
        new_catalog(tmp_path / "file" / "catalog.db")


def test_disk_full(file: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", DISK_FULL, f"sqlite:///{file}", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "disk" in said
    assert said.count("\n") == 1
    catalog = new_catalog(file)
    assert "kept" in {m.name for m in catalog.models()}
    catalog.close()


def test_unreachable_postgresql_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL: the package psycopg is not installed")
    catalog = Catalog("postgresql+psycopg://u:secret@127.0.0.1:1/hospital")
    with pytest.raises(StoreError, match=r"hospital on 127\.0\.0\.1 cannot be used") as raised:
        catalog.slides()
    assert "secret" not in str(raised.value)


def test_unreadable_url() -> None:
    with pytest.raises(StoreError, match="database URL cannot be read"):
        Catalog("no url")
