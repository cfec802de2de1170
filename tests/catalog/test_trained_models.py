"""A new model's name, and its way among the models of the installation."""

import pytest
from builders.packages import make_package

from histospace_core.catalog import Catalog, Kind
from histospace_core.catalog.trained_models import check_model_name, install
from histospace_core.errors import JobError, ModelError
from histospace_core.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store", models=tmp_path / "models")


@pytest.fixture
def catalog(settings):
    settings.store.mkdir()
    catalog = Catalog(settings.catalog_url)
    catalog.migrate()
    yield catalog
    catalog.close()


@pytest.mark.parametrize("name", ["", " ", "-a", "a/b", "..", "a b", "ä", "a" * 49, "a.partial"])
def test_what_is_no_name_of_a_folder_is_refused(settings, catalog, name):
    with pytest.raises(JobError, match="choose another name"):
        check_model_name(name, settings, catalog)


def test_a_name_is_free_until_something_has_it(settings, catalog):
    check_model_name("liver_2", settings, catalog)
    package = make_package(settings.models, "shipped")
    catalog.register(make_package(settings.store / "elsewhere", "known"))
    install(package, settings.trained_dir)
    for name in ("shipped", "known"):
        with pytest.raises(JobError, match=f"a model named {name} already"):
            check_model_name(name, settings, catalog)


def test_a_training_under_way_has_its_name_but_not_against_itself(settings, catalog):
    work = {"name": "liver", "device": "cpu"}
    run = catalog.add_run(
        None, "histospace", work, runs_dir=settings.runs_dir, kind=Kind.TRAIN, worker="w"
    )
    check_model_name("liver", settings, catalog, work)
    with pytest.raises(JobError, match="already"):
        check_model_name("liver", settings, catalog, {**work, "device": "cuda"})
    catalog.fail(run.id, "no")
    check_model_name("liver", settings, catalog, {**work, "device": "cuda"})


def test_installing_twice_is_installing_once(settings):
    made = make_package(settings.store / "runs" / "r" / "package", "liver")
    first = install(made, settings.trained_dir)
    assert first.sha256 == made.sha256
    assert first.directory == (settings.trained_dir / "liver").resolve()
    assert install(made, settings.trained_dir).directory == first.directory
    assert [p.name for p in made.directory.parent.iterdir()] == ["liver"]


def test_another_model_of_the_name_is_never_overwritten(settings):
    there = make_package(settings.trained_dir, "liver")
    other = make_package(settings.store / "package", "liver", genes=("ERBB2", "CD74"))
    with pytest.raises(ModelError, match="another name"):
        install(other, settings.trained_dir)
    assert make_package(settings.store / "again", "liver").sha256 == there.sha256
    assert len(there.genes) == 5
