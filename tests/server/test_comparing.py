"""A comparison in a child process, from a store with a slide, a model and a run."""

import shutil
from pathlib import Path

import pytest
from builders.packages import make_package
from builders.sections import make_section_files
from builders.serving import Server
from builders.slide_files import MPP

from histospace_core.catalog import RunRow
from histospace_core.errors import MeasurementError
from histospace_core.expression import Placement
from histospace_core.inference import predict_slide
from histospace_core.progress import Progress
from histospace_core.server.comparing import compare_in_child
from histospace_core.slides.content import slide_sha256
from histospace_core.slides.open import open_slide


@pytest.mark.slow
def test_the_spots_are_predicted_while_the_slide_is_that_of_the_run(
    server: Server, tmp_path: Path
) -> None:
    context = server.context
    settings, catalog = context.settings, context.catalog
    files = make_section_files(tmp_path, "B4", seed=1)
    image = settings.slides_dir / ("a" * 32) / "slide.png"
    image.parent.mkdir(parents=True)
    shutil.copy(files.image, image)
    model = make_package(settings.trained_dir)
    with open_slide(image, MPP) as slide:
        row = catalog.add_slide(
            image, "B4.png", slide_sha256(image), slide.properties, slide_id="a" * 32
        )
        added = catalog.add_run(row.id, "small", {}, runs_dir=settings.runs_dir)
        predict_slide(slide, model, added.directory)
    run: RunRow = catalog.run(added.id)
    seen: list[Progress] = []

    def compare(placement: Placement | None = None) -> dict:
        return compare_in_child(
            settings,
            catalog,
            run,
            "counts",
            files.counts,
            files.spots,
            placement=placement,
            on_progress=seen.append,
        ).summary

    summary = compare(Placement(shift_um=(5.0, 0.0)))
    assert summary["placement"]["shift_um"] == [5, 0]
    assert summary["at_spots"]["n_spots"] == summary["n_spots"] > 10
    assert len(catalog.comparisons(run.id)) == 1
    assert all(event.stage == "predicting at the spots" for event in seen)

    image.write_bytes(make_section_files(tmp_path / "other", "C2", seed=2).image.read_bytes())
    assert compare()["at_spots"] is None, "without its slide"

    files.counts.write_text("not counts")
    with pytest.raises(MeasurementError, match=r"B4-counts\.tsv"):
        compare()
