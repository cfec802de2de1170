"""Start, housekeeping and stop of the app's own parts."""

import asyncio
import os
import shutil
import socket
import time
from pathlib import Path

import pytest
from builders.packages import make_package

from histospace_core.catalog import State
from histospace_core.errors import HistospaceError, StoreError
from histospace_core.server import close_context, get_context, lifespan, measured_files
from histospace_core.server.lifespan import disable_nagle, register_models, tidy
from histospace_core.settings import get_settings


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HISTOSPACE_STORE", str(tmp_path / "store"))
    get_settings.cache_clear()
    yield tmp_path / "store"
    close_context()
    get_settings.cache_clear()


def test_the_context_is_one_and_ready() -> None:
    context = get_context()
    assert get_context() is context
    assert list(context.catalog.slides()) == []
    close_context()
    assert get_context() is not context


def test_start_and_stop() -> None:
    async def live() -> None:
        async with lifespan(None) as state:
            assert state["context"] is get_context()
            for _ in range(200):
                if get_context().jobs._cluster is not None:
                    return
                await asyncio.sleep(0.05)
            pytest.fail("the workers did not start")

    context = get_context()
    asyncio.run(live())
    assert context.jobs._cluster is None


def test_a_start_finds_the_runs_that_a_crash_left(store: Path) -> None:
    catalog = get_context().catalog
    run = catalog.add_run(None, "m", {}, runs_dir=store, worker="elsewhere/1/0")
    catalog.claim(run.id, worker=f"{os.uname().nodename}/999999999/0")
    close_context()
    assert get_context().catalog.run(run.id).state == State.INTERRUPTED


def test_models_on_disk_are_the_models_listed(store: Path, monkeypatch) -> None:
    monkeypatch.setenv("HISTOSPACE_MODELS", str(store / "shipped"))
    get_settings.cache_clear()
    make_package(store / "shipped", "first")
    make_package(store / "models", "trained-here")
    context = get_context()
    register_models(context)
    models = {model.name: model for model in context.catalog.models()}
    assert set(models) == {"first", "trained-here"}
    assert models["first"].summary["n_genes"] == 5
    assert "domain" not in models["first"].summary
    shutil.rmtree(store / "shipped" / "first")
    register_models(context)
    assert [model.name for model in context.catalog.models()] == ["trained-here"]


def test_a_broken_store_does_not_keep_the_app_from_starting(store: Path) -> None:
    store.mkdir()
    (store / "catalog.db").write_bytes(b"no catalog" * 1000)

    async def live() -> None:
        async with lifespan(None) as state:
            assert state == {}

    asyncio.run(live())
    with pytest.raises(StoreError, match="is not a catalog: restore it"):  # what the pages show
        get_context()


def test_measured_expression_is_kept_a_day_or_with_its_slide(store: Path) -> None:
    context = get_context()
    ids = []
    for name in ("young.tsv", "old.tsv.gz", "attached.tsv"):
        store.joinpath("part").write_text(name)
        ids.append(measured_files.accept_measured(context.settings, store / "part", name))
    young, old, attached = ids
    for measured_id in (old, attached):
        long_ago = time.time() - 90_000
        os.utime(store / "measured" / measured_id, (long_ago, long_ago))
    slide = _slide(context, store)
    context.catalog.attach_measured(slide, measured_files.measured_file(context.settings, attached))
    tidy(context)
    assert measured_files.measured_file(context.settings, young).read_text() == "young.tsv"
    assert measured_files.measured_file(context.settings, attached).name == "measured.tsv"
    for missing in (old, "../..", ""):
        with pytest.raises(HistospaceError, match="upload it again"):
            measured_files.measured_file(context.settings, missing)


def _slide(context, store: Path) -> str:
    from types import SimpleNamespace

    (store / "a.svs").touch()
    properties = SimpleNamespace(
        width=1, height=1, mpp=None, mpp_source=None, vendor="v", reader="openslide"
    )
    return context.catalog.add_slide(store / "a.svs", "a.svs", "ab", properties).id


def test_connections_do_not_wait_for_acknowledgements() -> None:
    listening = socket.socket(socket.AF_INET)  # as Streamlit opens its port
    with listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        disable_nagle()
        client.connect(listening.getsockname())
        with listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
