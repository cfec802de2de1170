"""The work of each kind of run: from the catalog's row to a call of the core.

The core is imported inside the functions: the app's process imports this module without torch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from histospace_core.catalog import Catalog, Kind, RunRow
from histospace_core.catalog.records import (
    AdaptRecord,
    CharacteriseRecord,
    EvaluateRecord,
    ExportRecord,
    ImportRecord,
    TrainRecord,
)
from histospace_core.catalog.trained_models import install
from histospace_core.errors import JobError, ModelError
from histospace_core.inference.record import Record, Timings
from histospace_core.progress import OnProgress, Progress
from histospace_core.settings import Settings

if TYPE_CHECKING:
    from histospace_core.networks import ModelPackage


@dataclass(frozen=True)
class Task:
    """A run, and the objects that its work needs."""

    settings: Settings
    catalog: Catalog
    run: RunRow
    on_progress: OnProgress


class Work(Protocol):
    """The work of a run; returns its record."""

    def __call__(self, task: Task) -> Record: ...


def predict(task: Task) -> Record:
    """Predict the run's slide with the run's model into the run's folder."""
    from histospace_core.inference.predict import predict_slide
    from histospace_core.networks import load_package
    from histospace_core.slides.open import open_slide

    run, folders = task.run, [task.settings.models, task.settings.trained_dir]
    if run.slide is None:
        raise JobError("This prediction names no slide: start a new one from the Predict page.")
    model = load_package(run.model_name, search=folders)
    if run.model_sha256 not in (None, model.sha256):
        raise ModelError(f"Model {model.name} has changed since the run began: start a new run.")
    settings = dict(run.settings)
    icc = settings.pop("icc", True)
    chosen = run.slide
    with open_slide(chosen.file, chosen.mpp_by_user, series=chosen.series, icc=icc) as slide:
        summary = predict_slide(
            slide, model, run.directory, **settings, on_progress=task.on_progress
        )
    return summary.record


def train(task: Task) -> Record:
    """Train a network on a cohort and register the resulting package."""
    from histospace_core.training import train_from_cohort
    from histospace_core.training.loss_log import LossLog

    started = time.monotonic()
    run = task.run
    cohort, recipe, options = _training_options(run)
    name = options.pop("name", "") or f"{run.model_name}-{run.id[:8]}"
    model = _registered(
        task,
        name,
        lambda folder: train_from_cohort(
            cohort,
            folder,
            network=run.model_name,
            recipe=recipe,
            on_progress=LossLog(run.directory, run.attempt, task.on_progress),
            **options,
        ),
    )
    return TrainRecord(
        timings=_since(started), model=model.name, model_sha256=model.sha256, cohort=cohort.name
    )


def adapt(task: Task) -> Record:
    """Adapt a model to the patient of the run's slide and register the resulting package."""
    from histospace_core.expression import Choice
    from histospace_core.networks import load_package
    from histospace_core.training import Section, adapt_model
    from histospace_core.training.adapt_fit import ADAPT
    from histospace_core.training.loss_log import LossLog

    started = time.monotonic()
    run, options = task.run, dict(task.run.settings)
    if run.slide is None:
        raise JobError("The slide of this adaptation was deleted: start one from another slide.")
    before = load_package(run.model_name, search=[task.settings.models, task.settings.trained_dir])
    name = Path(run.slide.name).stem
    patient, counts, spots = options["patient"] or name, options["counts"], options["spots"]
    section = Section(
        name,
        patient,
        run.slide.file,
        Path(counts),
        Path(spots) if spots else None,
        run.slide.mpp_by_user,
        run.slide.series,
        Choice(**options["choice"]),
    )
    model = _registered(
        task,
        options["name"],
        lambda folder: adapt_model(
            before,
            section,
            folder,
            extend=options["extend"],
            recipe=ADAPT.with_(**options["changes"]),
            device=options["device"],
            on_progress=LossLog(run.directory, run.attempt, task.on_progress),
        ),
    )
    return AdaptRecord(
        timings=_since(started),
        model=model.name,
        model_sha256=model.sha256,
        adapted_from=before.name,
    )


def evaluate(task: Task) -> Record:
    """Cross-validate a network on a cohort into the run's folder."""
    from histospace_core.training import evaluate_cohort
    from histospace_core.training.loss_log import LossLog

    started = time.monotonic()
    cohort, recipe, options = _training_options(task.run)
    summary = evaluate_cohort(
        cohort,
        task.run.directory,
        network=task.run.model_name,
        recipe=recipe,
        on_progress=LossLog(task.run.directory, task.run.attempt, task.on_progress),
        **options,
    )
    return EvaluateRecord.model_validate({**summary, "timings": _since(started)})


def export(task: Task) -> Record:
    """Export a finished prediction as one file in the folder `exports` of this run."""
    from histospace_core.exports.bundle import export_file

    started = time.monotonic()
    source = _parent(task)
    name = source.slide.name if source.slide else source.id
    task.on_progress(Progress(0, 0, "writing the file"))
    file = export_file(
        source.directory,
        task.run.settings["form"],
        task.run.directory / "exports",
        name=name,
        suffix=task.run.settings["suffix"],
        genes=task.run.settings["genes"],
    )
    return ExportRecord(timings=_since(started), file=file.name, bytes=file.stat().st_size)


def characterise(task: Task) -> Record:
    """Characterise a finished prediction into the folder of this run, which lies in its own."""
    from histospace_core.exports.characterisation import characterise_to

    started = time.monotonic()
    options = dict(task.run.settings)
    source = _parent(task)
    signatures, comparison = options.pop("signatures"), options.pop("comparison")
    folder = task.run.directory
    if not folder.exists():  # otherwise an earlier attempt was stopped after it had written
        characterise_to(
            source.directory,
            folder,
            signatures=Path(signatures) if signatures else None,
            comparison=Path(comparison) if comparison else None,
            on_progress=task.on_progress,
            **options,
        )
    return CharacteriseRecord(timings=_since(started))


def import_slide(task: Task) -> Record:
    """Import a file of the operator's import folder into the store."""
    from histospace_core.catalog.import_folder import import_slide as import_file

    started = time.monotonic()

    def report(event: Progress) -> None:  # in MiB: bytes can exceed a 32-bit integer column
        task.on_progress(replace(event, done=event.done >> 20, total=event.total >> 20))

    slide = import_file(
        task.settings,
        task.catalog,
        task.run.settings["file"],
        task.settings.uploads_dir / task.run.id,
        report,
        series=task.run.settings.get("series"),
    )
    return ImportRecord(
        timings=_since(started), slide=slide.id, name=slide.name, sha256=slide.sha256
    )


def _since(started: float) -> Timings:
    return Timings(seconds=time.monotonic() - started)


def _parent(task: Task) -> RunRow:
    """Return the prediction from which a characterisation or export is made."""
    if task.run.parent_id is None:
        raise JobError("The prediction of this run no longer exists: choose another prediction.")
    return task.catalog.run(task.run.parent_id)


def _registered(task: Task, name: str, make: Callable[[Path], "ModelPackage"]) -> "ModelPackage":
    """Make a package in the run's folder, install it and enter it in the catalog."""
    from histospace_core.networks import load_package

    folder = task.run.directory / "package" / name
    # an earlier attempt may have been stopped after it had packed the model
    package = load_package(folder) if folder.exists() else make(folder)
    model = install(package, task.settings.trained_dir)
    task.catalog.register(model)
    return model


def _training_options(run: RunRow) -> tuple[Path, Any, dict[str, Any]]:
    """Return the cohort, the recipe and the other arguments of the core's function."""
    from histospace_core.training import method_named

    options = dict(run.settings)
    cohort = Path(options.pop("cohort"))
    recipe = method_named(run.model_name).recipe(options.pop("recipe"))
    recipe = recipe.with_(**options.pop("changes"))
    return cohort, recipe, options


TASKS: dict[Kind, Work] = {
    Kind.PREDICT: predict,
    Kind.TRAIN: train,
    Kind.EVALUATE: evaluate,
    Kind.ADAPT: adapt,
    Kind.EXPORT: export,
    Kind.CHARACTERISE: characterise,
    Kind.IMPORT: import_slide,
}
