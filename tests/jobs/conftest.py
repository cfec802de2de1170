"""A store, its catalog and its worker processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from histospace_core.catalog import Catalog, Kind, RunRow
from histospace_core.jobs import Jobs
from histospace_core.jobs.tasks import Work
from histospace_core.settings import Settings


class Workshop:
    """Jobs on a store of their own, and short words for what tests do with them."""

    def __init__(self, store: Path, **settings: object) -> None:
        self.settings = Settings(
            **{"store": store, "heartbeat_s": 0.5, "models": store, **settings}
        )
        self.catalog = Catalog(self.settings.catalog_url)
        self.catalog.migrate()
        self.jobs = Jobs(self.settings, self.catalog)
        self._n_slides = 0

    def close(self) -> None:
        self.jobs.close()
        self.catalog.close()

    def slide(self) -> str:
        self._n_slides += 1
        folder = self.settings.slides_dir / f"{self._n_slides:032}"
        folder.mkdir(parents=True)
        file = folder / "slide.svs"
        file.touch()
        properties = SimpleNamespace(
            width=1, height=1, mpp=0.5, mpp_source="file", vendor="v", reader="openslide"
        )
        name = f"liver {self._n_slides}.svs"
        return self.catalog.add_slide(
            file, name, f"{self._n_slides:064}", properties, slide_id=folder.name
        ).id

    def submit(
        self,
        work: Work,
        slide_id: str | None = None,
        *,
        kind: Kind = Kind.PREDICT,
        batch: bool = False,
        **settings: object,
    ) -> str:
        slide_id = slide_id or self.slide()
        return self.jobs._submit(
            kind, settings, slide_id=slide_id, model_name="m", work=work, batch=batch
        )

    def wait(self, run_id: str, reached: Callable[[RunRow], bool], seconds: float = 15) -> RunRow:
        end = time.monotonic() + seconds
        while True:
            run = self.catalog.run(run_id)
            if reached(run):
                return run
            assert time.monotonic() < end, f"waited in vain, the run is {run.state} ({run.error})"
            time.sleep(0.05)

    def wait_end(self, run_id: str, seconds: float = 15) -> RunRow:
        return self.wait(run_id, lambda run: not run.is_active, seconds)

    @property
    def log(self) -> str:
        return (self.settings.store / "histospace.log").read_text()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Jobs with one worker process, for all tests of a module."""
    workshop = Workshop(tmp_path_factory.mktemp("store"))
    yield workshop
    workshop.close()


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Workshop]:
    """Jobs for a test that breaks them."""
    workshop = Workshop(tmp_path / "store")
    yield workshop
    workshop.close()
