"""The Python API as a notebook uses it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.packages import make_package
from builders.sections import make_section_files
from builders.slide_files import MPP

import histospace_core as hs
from histospace_core import api


def test_from_a_slide_to_a_report(tmp_path: Path) -> None:
    files = make_section_files(tmp_path, "B4", seed=1)
    model = make_package(tmp_path)
    seen: list[tuple[int, int]] = []
    run = hs.predict(
        str(files.image),
        out=tmp_path / "run",
        model=model.directory,
        mpp=MPP,
        on_progress=lambda event: seen.append((event.done, event.total)),
    )
    assert seen[-1] == (run.n_tiles, run.n_tiles)
    np.testing.assert_array_equal(hs.read_run(tmp_path / "run").gene("ERBB2"), run.gene("ERBB2"))
    table = hs.to_anndata(run, ["ERBB2", "CD74"])
    assert list(table.var_names) == ["ERBB2", "CD74"]
    assert "B4.png" in table.uns["spatial"]
    scores = hs.compare(run, files.counts, spots=files.spots, out=tmp_path / "run/comparisons/1")
    assert scores.summary["mean_profile_per_gene_pearson"] == 0
    report = hs.export(tmp_path / "run", tmp_path / "report.html", to="report", genes=["ERBB2"])
    assert "Comparison with measured expression" in report.read_text("utf-8")


def test_an_open_slide_and_a_loaded_model_do_too(tmp_path: Path) -> None:
    files = make_section_files(tmp_path, "B4", seed=1)
    with hs.open_slide(files.image, MPP) as slide:
        run = hs.predict(slide, out=tmp_path / "run", model=make_package(tmp_path))
        assert slide.read(0, 0, 8, 8, 8, 8).shape == (8, 8, 3), "still open, its owner closes it"
    assert run.n_tiles > 10


def test_a_users_mistake_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.svs").write_text("not a slide")
    with pytest.raises(hs.HistospaceError, match=r"notes\.svs"):
        hs.predict(tmp_path / "notes.svs", out=tmp_path / "run", model=make_package(tmp_path))
    files = make_section_files(tmp_path, "B4", seed=1)
    with pytest.raises(hs.HistospaceError, match="pixel size"):
        hs.predict(files.image, out=tmp_path / "run", model=make_package(tmp_path, "other"))
    with pytest.raises(hs.HistospaceError, match="no finished prediction"):
        hs.read_run(tmp_path)


def test_the_models_that_ship_are_there() -> None:
    assert {"histospace-her2st", "histospace-plus-her2st"} <= {m.name for m in hs.models()}


def test_every_public_name_is_documented_and_reachable() -> None:
    assert sorted(dir(hs)) == sorted(api.__all__)
    for name in api.__all__:
        assert getattr(hs, name) is getattr(api, name), "and no module of that name hides it"
        assert getattr(api, name).__doc__


def test_importing_the_package_loads_nothing_else() -> None:
    code = (
        "import sys, histospace_core as hs; hs.__version__; "
        "loaded = {'torch', 'numpy', 'anndata', 'matplotlib', 'streamlit'} & set(sys.modules); "
        "print(sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
