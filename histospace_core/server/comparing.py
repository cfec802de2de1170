"""Compare a run in a child process, which loads torch where it predicts at the spots."""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from histospace_core.catalog import Catalog, ComparisonRow, RunRow, new_id
from histospace_core.comparison.compare import compare_run, open_comparison
from histospace_core.errors import JobError, ModelError, SlideError
from histospace_core.expression import Choice, Placement, read_measured
from histospace_core.expression.choice import ONLY
from histospace_core.files import write_json
from histospace_core.inference.prediction import open_prediction
from histospace_core.progress import OnProgress, Progress, no_progress
from histospace_core.sandbox import SandboxError, run_in_sandbox
from histospace_core.settings import Settings

_POLL_S = 0.5


def compare_in_child(
    settings: Settings,
    catalog: Catalog,
    run: RunRow,
    name: str,
    counts: Path,
    spots: Path | None = None,
    *,
    choice: Choice = ONLY,
    placement: Placement | None = None,
    on_progress: OnProgress = no_progress,
) -> ComparisonRow:
    """Compare a run with measured expression and add the comparison to the catalog.

    The spots are predicted too if the slide and the model are still those of the run. The
    comparison is added even if the caller stops waiting.

    Parameters
    ----------
    name
        The user's name for the measurement.
    on_progress
        Called in the caller's thread, while the spots are predicted.

    Raises
    ------
    HistospaceError
        As `read_measured` and `compare_run` raise it; `JobError` if the process crashed.
    """
    out = run.directory / "comparisons" / new_id()
    slide = run.slide.file if run.slide is not None and run.slide.file.exists() else None
    required = [str(run.directory), str(counts), str(out)]
    optional = [file and str(file) for file in (spots, slide)]
    models = [str(settings.models), str(settings.trained_dir)]
    options = {"choice": asdict(choice), "placement": placement and asdict(placement)}
    temporary = tempfile.TemporaryDirectory(prefix="histospace-")
    progress = Path(temporary.name) / "progress.json"

    def work() -> ComparisonRow:
        with temporary:
            try:
                run_in_sandbox(compare_into, required, optional, models, options, str(progress))
            except SandboxError as error:
                raise JobError(
                    f"The comparison stopped ({error.detail or error.cause}); close other programs "
                    "and compare again."
                ) from error
            return catalog.add_comparison(run.id, name, out, open_comparison(out).summary)

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    while wait([future], _POLL_S).not_done:
        try:
            written = progress.read_text("utf-8")
        except FileNotFoundError:  # not begun, or just ended
            continue
        on_progress(Progress(**json.loads(written)))
    return future.result()


def compare_into(
    required: list[str],
    optional: list[str | None],
    models: list[str],
    options: dict[str, Any],
    progress: str,
) -> None:
    """In the child: read the measurement and compare."""
    from histospace_core.inference.at_spots import open_run_slide
    from histospace_core.networks import ModelPackage

    run_dir, counts, out = map(Path, required)
    spots, slide = (Path(file) if file else None for file in optional)
    measured = read_measured(counts, spots, Choice(**options["choice"]))
    record = open_prediction(run_dir).record
    model: ModelPackage | None = _model(record.model.name, record.model.sha256, models)
    moved = options["placement"]
    last = 0.0

    def report(event: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > _POLL_S:
            last = time.monotonic()
            write_json(Path(progress), asdict(event))

    opened = None
    with suppress(SlideError):  # the map can be compared without it
        opened = open_run_slide(slide, record) if slide and model else None
    with opened or nullcontext():
        compare_run(
            run_dir,
            measured,
            out,
            placement=moved and Placement(**moved),
            slide=opened,
            model=model,
            on_progress=report,
        )


def _model(name: str, sha256: str, folders: list[str]) -> Any:
    """Return the installed model of a run, or None if it is not installed or has changed."""
    from histospace_core.networks import load_package

    try:
        model = load_package(name, [Path(folder) for folder in folders])
    except ModelError:
        return None
    return model if model.sha256 == sha256 else None
