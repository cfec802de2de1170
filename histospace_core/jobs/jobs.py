"""Submit runs to the workers: a method for each kind of run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from histospace_core.catalog import Kind, State
from histospace_core.catalog.trained_models import check_model_name
from histospace_core.errors import JobError
from histospace_core.expression.choice import ONLY, Choice
from histospace_core.jobs.queue import Queue


class Jobs(Queue):
    """Submit runs, then watch, cancel or resume them."""

    def submit_prediction(
        self,
        slide_id: str,
        model_name: str,
        *,
        stain: str = "none",
        stride_um: float | None = None,
        device: str = "auto",
        icc: bool = True,
        model_sha256: str | None = None,
        note: str = "",
    ) -> str:
        """Queue a prediction and return its run's id, or the id of the same one under way."""
        (run_id,) = self._submit_predictions(
            [slide_id],
            model_name,
            {"stain": stain, "stride_um": stride_um, "device": device, "icc": icc},
            model_sha256,
            note=note,
        )
        return run_id

    def submit_predictions(
        self,
        slide_ids: Sequence[str],
        model_name: str,
        *,
        stain: str = "none",
        stride_um: float | None = None,
        device: str = "auto",
        model_sha256: str | None = None,
    ) -> list[str]:
        """Queue a prediction for each slide of a cohort; return the runs' ids in the same order.

        The workers share the runs; runs that a user waits for go first.
        """
        settings = {"stain": stain, "stride_um": stride_um, "device": device, "icc": True}
        return self._submit_predictions(slide_ids, model_name, settings, model_sha256, batch=True)

    def submit_import(self, name: str, series: str | None = None) -> str:
        """Queue the import of a file that `list_importable` lists; return its run's id.

        `series` is the image of the file that is meant, if it holds several.
        """
        chosen = {} if series is None else {"series": series}
        return self._submit(Kind.IMPORT, {"file": name, **chosen})

    def submit_training(
        self,
        cohort: Path,
        network: str = "histospace",
        *,
        name: str = "",
        recipe: str | None = None,
        device: str = "auto",
        **changes: Any,
    ) -> str:
        """Queue a training on a cohort table.

        Parameters
        ----------
        name
            Name of the new model; by default, the network's name and the start of the run's id.
        recipe, changes
            Name of one of the network's recipes (by default the first), and fields of it to change,
            such as `epochs` or `seed`.

        Raises
        ------
        JobError
            The name is taken or not allowed.
        """
        settings: dict[str, Any] = {"cohort": str(cohort.resolve()), "recipe": recipe}
        settings |= {"device": device, "changes": changes}
        if name:
            settings["name"] = name
            check_model_name(name, self._settings, self._catalog, settings)
        return self._submit(Kind.TRAIN, settings, model_name=network)

    def submit_adaptation(
        self,
        slide_id: str,
        model_name: str,
        counts: Path,
        spots: Path | None = None,
        *,
        name: str,
        patient: str = "",
        choice: Choice = ONLY,
        extend: bool = False,
        device: str = "auto",
        **changes: Any,
    ) -> str:
        """Queue the adaptation of a model to the patient of a slide with measured expression.

        Parameters
        ----------
        counts, spots, choice
            The measurement, as `read_measured` takes it.
        name
            Name of the new model.
        patient
            Pseudonym of the patient, for the model card; by default the slide's name.
        extend
            Also predict the section's own frequent genes.
        changes
            Fields of the recipe to change, such as `epochs`.

        Raises
        ------
        JobError
            The name is taken or not allowed.
        """
        settings: dict[str, Any] = {
            "name": name,
            "counts": str(counts),
            "spots": str(spots) if spots else None,
            "choice": asdict(choice),
            "patient": patient,
            "extend": extend,
            "device": device,
            "changes": changes,
        }
        check_model_name(name, self._settings, self._catalog, settings)
        return self._submit(Kind.ADAPT, settings, slide_id=slide_id, model_name=model_name)

    def submit_evaluation(
        self,
        cohort: Path,
        network: str = "histospace",
        *,
        folds: str = "patient",
        train: Sequence[str] = (),
        test: Sequence[str] = (),
        seeds: Sequence[int] = (0,),
        recipe: str | None = None,
        device: str = "auto",
        **changes: Any,
    ) -> str:
        """Queue a cross-validation on a cohort table; arguments as `evaluate_cohort` takes them."""
        settings = {
            "cohort": str(cohort.resolve()),
            "folds": folds,
            "train": list(train),
            "test": list(test),
            "seeds": list(seeds),
            "recipe": recipe,
            "device": device,
            "changes": changes,
        }
        return self._submit(Kind.EVALUATE, settings, model_name=network)

    def submit_characterisation(
        self,
        run_id: str,
        *,
        signatures: Path | None = None,
        comparison: Path | None = None,
        all_genes: bool = False,
    ) -> str:
        """Queue the characterisation of a finished prediction; arguments as `characterise_run`'s.

        Its folder lies in the prediction's, under ``characterisations``.

        Raises
        ------
        JobError
            The prediction is not finished.
        """
        settings = {
            "signatures": str(signatures) if signatures else None,
            "comparison": str(comparison) if comparison else None,
            "all_genes": all_genes,
        }
        return self._submit_within(
            run_id, Kind.CHARACTERISE, settings, "characterisations", "characterised"
        )

    def submit_export(self, run_id: str, form: str, suffix: str, genes: Sequence[str] = ()) -> str:
        """Queue the export of a finished prediction; form and genes as `export_run` takes them.

        Its folder lies in the prediction's, under ``exported``.

        Raises
        ------
        JobError
            The prediction is not finished.
        """
        settings = {"form": form, "suffix": suffix, "genes": list(genes)}
        return self._submit_within(run_id, Kind.EXPORT, settings, "exported", "exported")

    def _submit_within(
        self, run_id: str, kind: Kind, settings: dict[str, Any], folder: str, done: str
    ) -> str:
        """Queue a run that is made from a finished prediction, in a folder of that prediction."""
        source = self._catalog.run(run_id)
        if (source.kind, source.state) != (Kind.PREDICT, State.DONE):
            raise JobError(f"Only a finished prediction can be {done}.")
        return self._submit(
            kind,
            settings,
            slide_id=source.slide_id,
            model_name=source.model_name,
            model_sha256=source.model_sha256,
            parent_id=run_id,
            runs_dir=source.directory / folder,
        )

    def _submit_predictions(
        self,
        slide_ids: Sequence[str],
        model_name: str,
        settings: dict[str, Any],
        model_sha256: str | None,
        **more: Any,
    ) -> list[str]:
        if model_sha256 is None:  # what is registered now is what the user chose
            known = {model.name: model.sha256 for model in self._catalog.models()}
            model_sha256 = known.get(model_name)
        return [
            self._submit(
                Kind.PREDICT,
                settings,
                slide_id=slide_id,
                model_name=model_name,
                model_sha256=model_sha256,
                **more,
            )
            for slide_id in slide_ids
        ]
